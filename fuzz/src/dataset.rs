//! A dataset of one partition, and its parts.

use std::fs::{self, File};

use arrow_array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use rollbook::dataset::encode::{PEOPLE_KEY, Encoder, SCHEMA_VERSION_KEY};
use rollbook::dataset::layout::Layout;
use rollbook::rows::chunk::Chunk;
use rollbook::rows::method::Method;
use rollbook::rows::partition::{Partition, PartitionBy};
use rollbook::rows::tables::{SCHEMA_VERSION, Table, Tables};
use tempfile::TempDir;

use crate::flat;

/// A dataset in a temporary folder.
pub struct Dataset {
    folder: TempDir,
    /// Where everything is in it.
    pub layout: Layout,
    /// Its only partition.
    pub partition: Partition,
}

impl Dataset {
    /// A partition whose files are empty, and no records.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("there is a folder for temporary files");
        let layout = Layout::local(folder.path(), PartitionBy::Month);
        let partition = layout.partition(flat().entries[0].start);
        let dataset = Self { folder, layout, partition };
        for table in Table::ALL {
            dataset.put(&dataset.path(table), b"");
        }
        dataset
    }

    /// The path of a table's file.
    pub fn path(&self, table: Table) -> String {
        self.layout.relative(table, self.partition)
    }

    /// Puts a file in its place.
    pub fn put(&self, path: &str, bytes: &[u8]) {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap_or(self.folder.path())).expect("the folder is ours");
        fs::write(path, bytes).expect("there is room");
    }
}

impl Default for Dataset {
    fn default() -> Self {
        Self::new()
    }
}

/// The parts of the page, by table: as they are published, and without compression, so that every byte of them counts.
pub fn parts() -> [Tables<Vec<u8>>; 2] {
    let chunk = Chunk::widen(&flat().batches, &Method::default()).expect("what was flattened can be published");
    let rows = chunk.batches();
    [Tables::from_fn(|table| published(table, &rows[table])), rows.each_ref().map(plain)]
}

fn published(table: Table, rows: &RecordBatch) -> Vec<u8> {
    let place = tempfile::NamedTempFile::new().expect("there is a folder for temporary files");
    let file = File::create(place.path()).expect("it can be written to");
    let mut encoder = Encoder::new(table, &Method::default(), &file).expect("the schema can be written");
    encoder.write(rows).expect("the rows are the table's");
    encoder.close().expect("there is room");
    fs::read(place.path()).expect("it is there")
}

fn plain(rows: &RecordBatch) -> Vec<u8> {
    let version = KeyValue::new(SCHEMA_VERSION_KEY.to_owned(), SCHEMA_VERSION.to_string());
    let people = serde_json::to_string(&Method::default().people).expect("a rule is text");
    let metadata = vec![version, KeyValue::new(PEOPLE_KEY.to_owned(), people)];
    let properties = WriterProperties::builder().set_key_value_metadata(Some(metadata)).build();
    let mut bytes = Vec::new();
    let mut writer =
        ArrowWriter::try_new(&mut bytes, rows.schema(), Some(properties)).expect("the schema can be written");
    writer.write(rows).expect("the rows are those of the schema");
    writer.close().expect("there is room");
    bytes
}

/// A part with edits of four bytes each: where (two bytes), what, and a value. The length of the footer is put right.
pub fn edited(part: &[u8], edits: &[u8]) -> Vec<u8> {
    let (rest, magic) = part.split_at(part.len() - 4);
    let (rest, length) = rest.split_at(rest.len() - 4);
    let length = length.iter().rev().fold(0, |length, byte| length << 8 | usize::from(*byte));
    let (pages, footer) = rest.split_at(rest.len() - length);
    let mut halves = [pages.to_vec(), footer.to_vec()];
    for edit in edits.as_chunks().0 {
        let [high, low, what, value] = *edit;
        let half = &mut halves[usize::from(what & 1)];
        let at = usize::from(u16::from_be_bytes([high, low])) % half.len().max(1);
        match what >> 1 & 3 {
            0 => half.insert(at, value),
            1 if at < half.len() => _ = half.remove(at),
            _ => half.iter_mut().skip(at).take(1).for_each(|byte| *byte = value),
        }
    }
    let length = u32::try_from(halves[1].len()).unwrap_or(u32::MAX).to_le_bytes();
    [halves.concat().as_slice(), &length, magic].concat()
}
