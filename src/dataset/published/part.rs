//! One file of a published partition, opened and read though somebody may have damaged it.

use std::fs::File;
use std::sync::Arc;

use arrow_array::RecordBatch;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use crate::dataset::encode::{PEOPLE_KEY, PRIVACY_KEY, SCHEMA_VERSION_KEY};
use crate::dataset::footer;
use crate::error::{Error, Kind, Result};
use crate::rows::method::Method;
use crate::rows::person::People;
use crate::rows::privacy::Privacy;
use crate::rows::tables::{SCHEMA_VERSION, Table};
use crate::store::failed;
use crate::words::foreign;
use crate::words::system::is_want;

/// The first schema version whose files name the rule for persons.
const PEOPLE_SINCE: u32 = 2;

/// Opens a Parquet file that somebody may have damaged.
///
/// # Errors
/// What is wrong with it.
pub fn open(file: File) -> Result<ParquetRecordBatchReaderBuilder<File>, foreign::Cause> {
    footer::check(&file)?;
    foreign::read(|| ParquetRecordBatchReaderBuilder::try_new(file))
}

pub(super) fn next(reader: &mut ParquetRecordBatchReader) -> Result<Option<RecordBatch>, foreign::Cause> {
    foreign::read(|| reader.next().transpose())
}

/// A file with rows of a schema version that can be read.
pub(super) struct Opened {
    pub place: String,
    pub builder: ParquetRecordBatchReaderBuilder<File>,
    pub method: Arc<Method>,
}

/// What the metadata of a file says under a key.
fn said<'a>(builder: &'a ParquetRecordBatchReaderBuilder<File>, key: &str) -> Option<&'a str> {
    let pairs = builder.metadata().file_metadata().key_value_metadata()?;
    pairs.iter().find(|pair| pair.key == key)?.value.as_deref()
}

/// The rule for persons that a file names; files of version 1 name none.
fn people(builder: &ParquetRecordBatchReaderBuilder<File>, schema_version: u32) -> Option<People> {
    if schema_version < PEOPLE_SINCE {
        return Some(People::default());
    }
    serde_json::from_str(said(builder, PEOPLE_KEY)?).ok()
}

/// What a file says of what may be written down; one that says nothing holds everything as it is listed.
fn privacy(builder: &ParquetRecordBatchReaderBuilder<File>) -> Option<Privacy> {
    said(builder, PRIVACY_KEY).map_or_else(|| Some(Privacy::default()), |text| serde_json::from_str(text).ok())
}

/// By what the rows of a file were counted, as the file says. Older versions can be read.
///
/// # Errors
/// What keeps this version from reading a file of the table.
pub fn method(builder: &ParquetRecordBatchReaderBuilder<File>, table: Table) -> Result<Method, String> {
    let schema_version = said(builder, SCHEMA_VERSION_KEY).and_then(|version| version.parse().ok());
    let schema_version = schema_version.ok_or("the file was not written by rollbook")?;
    if schema_version > SCHEMA_VERSION {
        return Err(format!("the file is not of schema version {SCHEMA_VERSION} but {schema_version}"));
    }
    let people = people(builder, schema_version).ok_or("the file names no rule for persons that can be read")?;
    let privacy = privacy(builder).ok_or("the file names no rule for what is protected that can be read")?;
    if !table.can_be_read(builder.schema(), schema_version) {
        return Err(format!("the file has other columns than schema version {schema_version}"));
    }
    Ok(Method { schema_version, people, privacy })
}

/// The error of a file that can't be read: damage, unless it is this machine that lacks something.
pub fn damaged(place: &str, cause: impl Into<foreign::Cause>) -> Error {
    let cause = cause.into();
    if is_want(cause.as_ref()) {
        return failed("cannot read the file", place, cause);
    }
    Error::new(Kind::Unreadable, format!("a published file is damaged: {place}"))
        .because(cause)
        .hint("put it back from a copy of the same run, or run `rollbook verify --repair`, which says what to do next")
}

/// The rows of a file, in this version's columns, or some of the columns that it has.
pub(super) struct Rows {
    pub reader: ParquetRecordBatchReader,
    pub table: Table,
    pub place: String,
    /// By what the rows were counted.
    pub method: Arc<Method>,
    pub is_whole: bool,
}

impl Rows {
    pub fn next(&mut self) -> Result<Option<RecordBatch>> {
        let batch = next(&mut self.reader);
        if !self.is_whole {
            return batch.map_err(|error| damaged(&self.place, error));
        }
        let upgraded =
            batch.and_then(|batch| batch.map(|batch| foreign::read(|| self.table.upgraded(&batch))).transpose());
        upgraded.map_err(|error| damaged(&self.place, error))
    }
}
