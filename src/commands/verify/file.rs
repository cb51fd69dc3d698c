//! One file as a file: its bytes, whether it is Parquet, and whether it is of this version of the schema.

use std::fs::File;
use std::io::{Seek, SeekFrom};

use crate::dataset::encode;
use crate::dataset::published::{self, damaged};
use crate::error::Result;
use crate::rows::tables::{SCHEMA_VERSION, Table};
use crate::store::{Store, Version, raced};
use crate::words::foreign::Cause;
use crate::words::stop::Stop;
use crate::words::system::is_want;

/// What a look at a file showed.
#[derive(Debug, Default)]
pub struct Looked {
    /// The file's length in bytes; 0 where the file can't be read to its end.
    pub bytes: u64,
    /// Its SHA-256, where it could be read to its end.
    pub sha256: Option<String>,
    /// Its rows by its own account.
    pub rows: Option<u64>,
    /// Whether it is of an older schema version, and will be upgraded.
    pub is_old: bool,
    /// What is wrong with the file, such as `the file is empty`; `None` where nothing is.
    pub damage: Option<String>,
}

/// Reads a file whole, once.
///
/// # Errors
/// `Raced` where it was replaced since it was listed; `Destination` where it can't be opened; a signal.
pub fn look(store: &dyn Store, path: &str, table: Table, version: &Version, stop: &Stop) -> Result<Looked> {
    let opened = store.open(path)?.filter(|(_, current)| current == version);
    let Some((file, _)) = opened else { return Err(raced(&store.place(path))) };
    let (bytes, sha256) = match encode::digest(&file, stop)? {
        Ok(digest) => digest,
        Err(error) if is_want(&error) => return Err(damaged(&store.place(path), error)),
        Err(error) => return Ok(Looked { damage: Some(unreadable(&error)), ..Looked::default() }),
    };
    let (rows, is_old, damage) = match rows(file, bytes, table) {
        Ok((rows, is_old)) => (Some(rows), is_old, None),
        Err(what) if is_want(what.as_ref()) => return Err(damaged(&store.place(path), what)),
        Err(what) => (None, false, Some(what.to_string())),
    };
    Ok(Looked { bytes, sha256: Some(sha256), rows, is_old, damage })
}

fn unreadable(error: &std::io::Error) -> String {
    format!("the file can't be read: {error}")
}

/// The rows that a file has by its own account and whether it is of an older schema version, or why it can't be read.
fn rows(mut file: File, bytes: u64, table: Table) -> Result<(u64, bool), Cause> {
    if bytes == 0 {
        return Err("the file is empty".into());
    }
    file.seek(SeekFrom::Start(0)).map_err(|error| unreadable(&error))?;
    let builder =
        published::open(file).map_err(|error| format!("the file is no Parquet file, or was cut off: {error}"))?;
    let rows = u64::try_from(builder.metadata().file_metadata().num_rows())?;
    let method = published::method(&builder, table)?;
    Ok((rows, method.schema_version < SCHEMA_VERSION))
}
