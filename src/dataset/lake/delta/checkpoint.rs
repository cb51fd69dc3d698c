//! The checkpoint of a version: all files of a table at once, so that a reader need not read every commit before. A pure function
//! of one snapshot.
//!
//! It is the classic form, which every reader has: one Parquet file, not compressed, with a row for each action and a column for
//! each kind of action. Columns that no row of rollbook's fills are there where readers ask for them.

use std::sync::Arc;

use arrow_array::builder::{ListBuilder, MapBuilder, MapFieldNames, StringBuilder};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Int32Array, Int64Array, RecordBatch, StringArray, StructArray, new_null_array,
};
use arrow_buffer::NullBuffer;
use arrow_schema::{ArrowError, DataType, Field, Fields, Schema};
use parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaDataReader;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use serde::{Deserialize, Serialize};

use super::actions::{self, Add, Metadata, PROTOCOL};
use super::shown::Shown;
use crate::rows::tables::Table;

/// Every version that this divides has a checkpoint, but the first.
pub const EVERY: u64 = 10;

/// The row of the protocol, that of the metadata, and how many there are of both.
const PROTOCOL_ROW: usize = 0;
const METADATA_ROW: usize = 1;
const BEFORE_FILES: usize = 2;

/// Whether a version has a checkpoint.
pub const fn is_due(version: u64) -> bool {
    version > 0 && version.is_multiple_of(EVERY)
}

/// `_last_checkpoint`: from which checkpoint on a reader looks for the newest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Last {
    /// The version of the checkpoint.
    pub version: u64,
    /// Rows of the checkpoint.
    #[serde(default)]
    pub size: u64,
    /// Bytes of the checkpoint.
    #[serde(default)]
    pub size_in_bytes: u64,
    /// Files of the table.
    #[serde(default)]
    pub num_of_add_files: u64,
}

impl Last {
    /// What names the checkpoint of a version that has these bytes; `None` where they are none of rollbook's.
    pub fn of(version: u64, checkpoint: &bytes::Bytes) -> Option<Self> {
        let size_in_bytes = checkpoint.len() as u64;
        let rows = ParquetMetaDataReader::new().parse_and_finish(checkpoint).ok()?.file_metadata().num_rows();
        let size = u64::try_from(rows).ok()?;
        Some(Self { version, size, size_in_bytes, num_of_add_files: size.checked_sub(BEFORE_FILES as u64)? })
    }

    /// As the file has it.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }
}

/// The bytes of the checkpoint of a table's log at the version that shows a snapshot.
///
/// # Errors
/// None but by a defect of this program.
pub fn bytes(table: Table, shown: &Shown) -> Result<Vec<u8>, ParquetError> {
    let metadata = actions::metadata(table, shown);
    let adds: Vec<_> = shown.files(table).iter().map(|entry| actions::add(table, shown, entry, false)).collect();
    let batch = batch(metadata, &adds)?;
    let properties = WriterProperties::builder()
        .set_created_by("rollbook".to_owned())
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .build();
    // Readers shall see the types of the Parquet file, not those of Arrow.
    let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
    let mut writer = ArrowWriter::try_new_with_options(Vec::new(), batch.schema(), options)?;
    writer.write(&batch)?;
    writer.into_inner()
}

fn batch(metadata: Metadata, adds: &[Add]) -> Result<RecordBatch, ArrowError> {
    let rows = Rows(BEFORE_FILES + adds.len());
    let columns: [(&str, ArrayRef); 5] = [
        (
            "txn",
            rows.absent(&[("appId", DataType::Utf8), ("version", DataType::Int64), ("lastUpdated", DataType::Int64)]),
        ),
        ("add", rows.adds(adds)?),
        ("remove", rows.absent(&removed())),
        ("metaData", rows.metadata(metadata)?),
        ("protocol", rows.protocol()?),
    ];
    let fields: Fields = columns.iter().map(|(name, array)| nullable(name, array)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|(_, array)| array).collect())
}

/// The columns of files that are no longer the table's. None are listed: they matter to `VACUUM` alone, which is not to be run.
fn removed() -> [(&'static str, DataType); 6] {
    let strings = maps(std::iter::empty::<Option<std::iter::Empty<_>>>()).data_type().clone();
    [
        ("path", DataType::Utf8),
        ("deletionTimestamp", DataType::Int64),
        ("dataChange", DataType::Boolean),
        ("extendedFileMetadata", DataType::Boolean),
        ("partitionValues", strings),
        ("size", DataType::Int64),
    ]
}

/// How many rows a checkpoint has. Makes its columns, each of which is null but in the rows of its own kind of action.
#[derive(Clone, Copy)]
struct Rows(usize);

impl Rows {
    fn adds(self, adds: &[Add]) -> Result<ArrayRef, ArrowError> {
        let column = |of: fn(&Add) -> Option<&str>| -> ArrayRef {
            Arc::new(self.placed(BEFORE_FILES, adds.iter().map(of)).map(Option::flatten).collect::<StringArray>())
        };
        let numbers = |of: fn(&Add) -> i64| -> ArrayRef {
            Arc::new(self.placed(BEFORE_FILES, adds.iter().map(of)).collect::<Int64Array>())
        };
        let values = adds.iter().map(|add| add.partition_values.iter().map(|(name, value)| (*name, value.as_str())));
        let changes = self.placed(BEFORE_FILES, adds.iter().map(|add| add.data_change));
        self.of(
            BEFORE_FILES..self.0,
            vec![
                ("path", column(|add| Some(&add.path))),
                ("partitionValues", maps(self.placed(BEFORE_FILES, values))),
                ("size", numbers(|add| i64::try_from(add.size).unwrap_or(i64::MAX))),
                ("modificationTime", numbers(|add| add.modification_time)),
                ("dataChange", Arc::new(changes.collect::<BooleanArray>())),
                ("stats", column(|add| Some(&add.stats))),
            ],
        )
    }

    fn metadata(self, metadata: Metadata) -> Result<ArrayRef, ArrowError> {
        let Metadata { id, name, format, schema_string, partition_columns, configuration: _, created_time } = metadata;
        let one = |text: Option<&str>| -> ArrayRef {
            Arc::new(self.placed(METADATA_ROW, [text]).map(Option::flatten).collect::<StringArray>())
        };
        let none = || maps(self.placed(METADATA_ROW, [std::iter::empty()]));
        let format = vec![("provider", one(Some(format.provider))), ("options", none())];
        self.of(
            METADATA_ROW..BEFORE_FILES,
            vec![
                ("id", one(Some(&id))),
                ("name", one(Some(name))),
                ("description", one(None)),
                ("format", self.of(METADATA_ROW..BEFORE_FILES, format)?),
                ("schemaString", one(Some(&schema_string))),
                ("partitionColumns", lists(self.placed(METADATA_ROW, [partition_columns]))),
                ("configuration", none()),
                ("createdTime", Arc::new(self.placed(METADATA_ROW, [created_time]).collect::<Int64Array>())),
            ],
        )
    }

    fn protocol(self) -> Result<ArrayRef, ArrowError> {
        let version =
            |version: i32| -> ArrayRef { Arc::new(self.placed(PROTOCOL_ROW, [version]).collect::<Int32Array>()) };
        self.of(
            PROTOCOL_ROW..METADATA_ROW,
            vec![
                ("minReaderVersion", version(PROTOCOL.min_reader_version)),
                ("minWriterVersion", version(PROTOCOL.min_writer_version)),
            ],
        )
    }

    /// An action that no row has.
    fn absent(self, columns: &[(&'static str, DataType)]) -> ArrayRef {
        let fields = columns.iter().map(|(name, kind)| Field::new(*name, kind.clone(), true));
        new_null_array(&DataType::Struct(fields.collect()), self.0)
    }

    /// An action that these rows have.
    fn of(self, those: std::ops::Range<usize>, columns: Vec<(&str, ArrayRef)>) -> Result<ArrayRef, ArrowError> {
        let fields: Fields = columns.iter().map(|(name, array)| nullable(name, array)).collect();
        let there = (0..self.0).map(|row| those.contains(&row)).collect::<Vec<_>>();
        let arrays = columns.into_iter().map(|(_, array)| array).collect();
        Ok(Arc::new(StructArray::try_new(fields, arrays, Some(NullBuffer::from(there)))?))
    }

    /// A value for each row: these from one row on, else none.
    fn placed<T>(self, from: usize, values: impl IntoIterator<Item = T>) -> impl Iterator<Item = Option<T>> {
        let before = std::iter::repeat_with(|| None).take(from);
        before.chain(values.into_iter().map(Some)).chain(std::iter::repeat_with(|| None)).take(self.0)
    }
}

fn nullable(name: &str, array: &ArrayRef) -> Field {
    Field::new(name, array.data_type().clone(), true)
}

/// A column of maps from texts to texts, with the names that Parquet has for the inside.
fn maps<'a, I: Iterator<Item = (&'a str, &'a str)>>(rows: impl Iterator<Item = Option<I>>) -> ArrayRef {
    let names = MapFieldNames { entry: "key_value".to_owned(), key: "key".to_owned(), value: "value".to_owned() };
    let mut builder = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new());
    for row in rows {
        let is_there = row.is_some();
        for (key, value) in row.into_iter().flatten() {
            builder.keys().append_value(key);
            builder.values().append_value(value);
        }
        // Fails only where there are more keys than values.
        let _ = builder.append(is_there);
    }
    Arc::new(builder.finish())
}

fn lists<'a>(rows: impl Iterator<Item = Option<Vec<&'a str>>>) -> ArrayRef {
    let mut builder = ListBuilder::new(StringBuilder::new()).with_field(Field::new("element", DataType::Utf8, true));
    for row in rows {
        builder.append_option(row.map(|texts| texts.into_iter().map(Some)));
    }
    Arc::new(builder.finish())
}
