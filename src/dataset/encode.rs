//! One table's rows to one Parquet file, deterministically: the same rows give the same bytes.
//!
//! Pages and row groups are cut by fixed row counts from the file's start, whatever batches the rows come in; where rows are
//! very large, by what is in them.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_schema::ArrowError;
use arrow_select::coalesce::BatchCoalescer;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use sha2::{Digest, Sha256};

use crate::error::{Error, Kind, Result};
use crate::rows::chunk::weight::of_published;
use crate::rows::method::Method;
use crate::rows::tables::{Table, Type};
use crate::words::stop::Stop;

/// Key in every file's metadata: the schema version of the rows.
pub const SCHEMA_VERSION_KEY: &str = "rollbook.schema_version";
/// Key in every file's metadata: the rule for persons as JSON, by which the rows were counted.
pub const PEOPLE_KEY: &str = "rollbook.people";
/// Where the metadata of a file says what may be written down, in JSON; not there where that is everything, and everybody counts.
pub const PRIVACY_KEY: &str = "rollbook.privacy";

/// Rows handed to the Parquet writer at a time; pages are cut at such borders.
const BATCH_ROWS: usize = 8192;
/// Rows of a row group: large enough for DuckDB and Spark to read in long runs, small enough to be held in memory.
const ROW_GROUP_ROWS: usize = 512 * 1024;

/// Bytes of such a batch, and of a row group as it is encoded, at which either is cut before it has as many rows.
const BATCH_BYTES: usize = 4 << 20;
const ROW_GROUP_BYTES: usize = 64 << 20;

/// A file that was written, as records name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Rows in the file; 0 in a partition without sessions.
    pub rows: u64,
    /// Bytes of the whole file, its footer included.
    pub bytes: u64,
    /// The SHA-256 of all its bytes, in 64 hexadecimal digits.
    pub sha256: String,
}

/// Bytes of sources that may stay in memory with the few of their rows that wait for a batch.
const SOURCE_BYTES: usize = 16 << 20;

/// A table's rows, cut anew into batches of a fixed number, or fewer where they are very large.
pub struct Cutter {
    table: Table,
    batches: BatchCoalescer,
    /// Bytes of the rows that wait in `batches`.
    bytes: usize,
    /// Bytes of the memory that this is a part of, and where the last part began.
    sources: usize,
    last: usize,
}

impl Cutter {
    /// For the rows of a table from the first on.
    pub fn new(table: Table) -> Self {
        Self { table, batches: BatchCoalescer::new(table.schema(), BATCH_ROWS), bytes: 0, sources: 0, last: 0 }
    }

    /// Adds rows; passes on what is full.
    ///
    /// # Errors
    /// Those of `each`; and `Unexpected` where the rows are not of the table.
    pub fn push(&mut self, rows: &RecordBatch, mut each: impl FnMut(RecordBatch) -> Result<()>) -> Result<()> {
        let mut from = 0;
        while from < rows.num_rows() {
            let room = BATCH_ROWS - self.batches.get_buffered_rows();
            let to = self.fitting(rows, from, rows.num_rows().min(from + room));
            if to > from {
                self.bytes += of_published(self.table, rows, from, to);
                self.batches.push_batch(rows.slice(from, to - from)).map_err(mistaken)?;
                self.hold(rows)?;
            }
            if to < rows.num_rows() {
                self.batches.finish_buffered_batch().map_err(mistaken)?;
            }
            self.drain(&mut each)?;
            from = to;
        }
        Ok(())
    }

    /// Rows that wait are a view of all that was read with them. Where that adds up they are copied.
    fn hold(&mut self, rows: &RecordBatch) -> Result<()> {
        for texts in rows.columns().iter().filter_map(|column| column.as_string_opt::<i32>()) {
            let begin = texts.values().data_ptr().as_ptr().addr();
            if begin != self.last {
                self.last = begin;
                self.sources += texts.values().capacity();
            }
        }
        if self.sources > SOURCE_BYTES {
            self.sources = 0;
            self.batches.finish_buffered_batch().map_err(mistaken)?;
            if let Some(copied) = self.batches.next_completed_batch() {
                self.batches.push_batch(copied).map_err(mistaken)?;
            }
        }
        Ok(())
    }

    /// Where the rows from here on that fit into the batch at hand end: behind one at least, where it is empty.
    fn fitting(&self, rows: &RecordBatch, from: usize, to: usize) -> usize {
        let fits = |to: usize| self.bytes + of_published(self.table, rows, from, to) <= BATCH_BYTES;
        if fits(to) {
            return to;
        }
        let least = from + usize::from(self.batches.get_buffered_rows() == 0);
        let (mut fitting, mut over) = (least, to);
        while over - fitting > 1 {
            let middle = fitting.midpoint(over);
            if fits(middle) { fitting = middle } else { over = middle }
        }
        fitting
    }

    /// Passes on the rows that are left, as the last batches.
    ///
    /// # Errors
    /// As [`Cutter::push`].
    pub fn finish(mut self, each: impl FnMut(RecordBatch) -> Result<()>) -> Result<()> {
        self.batches.finish_buffered_batch().map_err(mistaken)?;
        self.drain(each)
    }

    fn drain(&mut self, mut each: impl FnMut(RecordBatch) -> Result<()>) -> Result<()> {
        while let Some(batch) = self.batches.next_completed_batch() {
            (self.bytes, self.sources) = (0, 0);
            each(batch)?;
        }
        Ok(())
    }
}

fn mistaken(error: ArrowError) -> Error {
    Error::new(Kind::Unexpected, "rows of a table don't fit together").because(error)
}

/// A table's file in the writing: rows go in, in order, and its length and sum come out.
pub struct Encoder<'a> {
    writer: ArrowWriter<Hashing<BufWriter<&'a File>>>,
    rows: u64,
}

impl<'a> Encoder<'a> {
    /// Begins a table's file, for rows that were counted by this method: its schema, sort columns and metadata are set from
    /// here on.
    pub fn new(table: Table, method: &Method, file: &'a File) -> Result<Self, ParquetError> {
        let output = Hashing { inner: BufWriter::with_capacity(1 << 16, file), digest: Sha256::new(), bytes: 0 };
        let writer = ArrowWriter::try_new(output, table.schema(), Some(properties(table, method)?))?;
        Ok(Self { writer, rows: 0 })
    }

    /// Adds rows, as a [`Cutter`] cuts them.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), ParquetError> {
        self.rows += batch.num_rows() as u64;
        self.writer.write(batch)?;
        if self.writer.in_progress_size() > ROW_GROUP_BYTES { self.writer.flush() } else { Ok(()) }
    }

    /// Writes what is left and the footer; says what the file holds now.
    pub fn close(self) -> Result<Written, ParquetError> {
        let mut output = self.writer.into_inner()?;
        output.flush()?;
        let sha256 = hexadecimal(&output.digest.finalize());
        Ok(Written { rows: self.rows, bytes: output.bytes, sha256 })
    }
}

/// The length and the SHA-256 of a file, in hexadecimal; the file's or the signal's error.
pub fn digest(mut file: &File, stop: &Stop) -> Result<io::Result<(u64, String)>> {
    let mut output = Hashing { inner: io::sink(), digest: Sha256::new(), bytes: 0 };
    let mut buffer = vec![0; 1 << 18];
    loop {
        stop.check()?;
        let read = file.read(&mut buffer).and_then(|read| output.write_all(&buffer[..read]).map(|()| read));
        match read {
            Ok(0) => return Ok(Ok((output.bytes, hexadecimal(&output.digest.finalize())))),
            Ok(_) => {}
            Err(error) => return Ok(Err(error)),
        }
    }
}

/// The same of a file that was just written, from its beginning.
pub fn digest_from_start(mut file: &File, stop: &Stop) -> Result<io::Result<(u64, String)>> {
    match file.seek(SeekFrom::Start(0)) {
        Ok(_) => digest(file, stop),
        Err(error) => Ok(Err(error)),
    }
}

/// Bytes as hexadecimal digits, two for each, in small letters.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Passes bytes on and hashes them.
struct Hashing<W> {
    inner: W,
    digest: Sha256,
    bytes: u64,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.digest.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn properties(table: Table, method: &Method) -> Result<WriterProperties, ParquetError> {
    let sorting = table.sort_columns().iter().filter_map(|name| {
        let index = table.columns().iter().position(|column| column.name == *name)?;
        Some(SortingColumn { column_idx: i32::try_from(index).ok()?, descending: false, nulls_first: true })
    });
    let external = |error: serde_json::Error| ParquetError::External(error.into());
    let version = KeyValue::new(SCHEMA_VERSION_KEY.to_owned(), method.schema_version.to_string());
    let people = serde_json::to_string(&method.people).map_err(external)?;
    let mut metadata = vec![version, KeyValue::new(PEOPLE_KEY.to_owned(), people)];
    if !method.privacy.is_open() {
        let privacy = serde_json::to_string(&method.privacy).map_err(external)?;
        metadata.push(KeyValue::new(PRIVACY_KEY.to_owned(), privacy));
    }
    let mut builder = WriterProperties::builder()
        .set_created_by("rollbook".to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_sorting_columns(Some(sorting.collect()))
        .set_key_value_metadata(Some(metadata));
    for column in table.columns() {
        let path = ColumnPath::from(column.name);
        let Form { encoding, compressed, statistics } = form(table, column.name, column.kind);
        if let Some(encoding) = encoding {
            let path = path.clone();
            builder = builder.set_column_dictionary_enabled(path.clone(), false).set_column_encoding(path, encoding);
        }
        if !compressed {
            builder = builder.set_column_compression(path.clone(), Compression::UNCOMPRESSED);
        }
        builder = builder.set_column_statistics_enabled(path, statistics);
    }
    Ok(builder.build())
}

/// How a column is stored: encoding, compression, and how far least and greatest values are kept.
struct Form {
    /// `None`: with a dictionary, which pays where few values repeat.
    encoding: Option<Encoding>,
    compressed: bool,
    statistics: EnabledStatistics,
}

fn form(table: Table, name: &str, kind: Type) -> Form {
    Form {
        encoding: encoding(table, name, kind),
        compressed: shrinks(table, name, kind),
        // Where rows with like values are not together, least and greatest values help nobody to skip any.
        statistics: match (kind, name) {
            (Type::Time, _) | (Type::Text, "session_id") => EnabledStatistics::Page,
            (Type::Text | Type::Texts, _) => EnabledStatistics::None,
            _ => EnabledStatistics::Chunk,
        },
    }
}

/// Whether compression finds anything in a column that is encoded already. It does where rows repeat the session's value,
/// or count from 0 for each session; other packed differences, and the numbers of a few words in a dictionary, don't
/// shrink further.
fn shrinks(table: Table, name: &str, kind: Type) -> bool {
    match kind {
        Type::Time | Type::Millis => name.starts_with("session_"),
        Type::Count => table != Table::Sessions,
        Type::Text => !matches!(name, "status" | "region"),
        Type::Texts => false,
        Type::Double | Type::Flag => true,
    }
}

fn encoding(table: Table, name: &str, kind: Type) -> Option<Encoding> {
    match (kind, name) {
        (Type::Time | Type::Millis | Type::Count, _) => Some(Encoding::DELTA_BINARY_PACKED),
        // Repeated from one row to the next, or like it, since they begin with a time: only the difference is stored.
        (Type::Text, "session_id") => Some(Encoding::DELTA_BYTE_ARRAY),
        (Type::Text, "participant_id") if table == Table::Timelogs => Some(Encoding::DELTA_BYTE_ARRAY),
        // All different: a dictionary would be built and thrown away.
        (Type::Text, "chat_link" | "participant_id") => Some(Encoding::DELTA_LENGTH_BYTE_ARRAY),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::chunk::Chunk;
    use crate::rows::flatten::{self, Options};

    /// The batches that rows are cut into where so many come at a time.
    fn cut(rows: &RecordBatch, at_once: usize) -> Vec<RecordBatch> {
        let (mut cutter, mut batches) = (Cutter::new(Table::Sessions), Vec::new());
        let mut keep = |batch| {
            batches.push(batch);
            Ok(())
        };
        for from in (0..rows.num_rows()).step_by(at_once) {
            cutter.push(&rows.slice(from, at_once.min(rows.num_rows() - from)), &mut keep).unwrap();
        }
        cutter.finish(&mut keep).unwrap();
        batches
    }

    #[test]
    fn large_rows_are_cut_alike_whatever_batches_they_come_in() {
        let record = |number: usize| {
            let link = "x".repeat(if number.is_multiple_of(3) { 4096 } else { number % 50 });
            format!(r#"{{"id":"{number:06}","status":"ended","chatLink":"{link}"}}"#)
        };
        let body = format!(r#"{{"data":[{}]}}"#, (0..10_000).map(record).collect::<Vec<_>>().join(","));
        let flat = flatten::page(body, &Options::default()).unwrap();
        let chunk = Chunk::widen(&flat.batches, &Method::default()).unwrap();
        let rows = &chunk.batches().sessions;
        let whole = cut(rows, rows.num_rows());
        assert!(whole.len() > 3 && whole.iter().all(|batch| batch.num_rows() < BATCH_ROWS));
        for batch in &whole {
            assert!(of_published(Table::Sessions, batch, 0, batch.num_rows()) <= BATCH_BYTES);
        }
        for at_once in [1, 7, 1000, 8192] {
            assert!(cut(rows, at_once) == whole, "{at_once}");
        }
    }
}
