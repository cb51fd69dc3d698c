//! The lines of a commit: what one version of a table's log changes. A pure function of two snapshots, so that two writers, and
//! a later run that finishes the work of a killed one, write the same bytes.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::schema::{self, Nothing};
use super::shown::Shown;
use crate::dataset::encode::hexadecimal;
use crate::dataset::lake::snapshot::Entry;
use crate::rows::tables::Table;

/// How the engine's name begins, which other versions of rollbook share.
const ENGINE: &str = "rollbook ";

/// One line of a commit, or one row of a checkpoint.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Action {
    CommitInfo(CommitInfo),
    Protocol(Protocol),
    MetaData(Metadata),
    Remove(Remove),
    Add(Add),
}

/// Who has made a commit, when, and of which snapshot.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CommitInfo {
    timestamp: i64,
    operation: String,
    operation_parameters: Parameters,
    engine_info: String,
}

/// Texts alone: readers take the parameters of an operation for such.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    snapshot: String,
    run_id: String,
    /// The SHA-256 of the lines that follow, in hexadecimal: what a commit was can be seen without the snapshot before.
    sum: String,
}

/// What a reader and a writer of the table must know.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Protocol {
    /// The least version of a reader.
    pub min_reader_version: i32,
    /// The least version of a writer.
    pub min_writer_version: i32,
}

/// No feature is used that a reader or writer of these versions does not know.
pub const PROTOCOL: Protocol = Protocol { min_reader_version: 1, min_writer_version: 2 };

/// What the table is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// The log's own name, a UUID.
    pub id: String,
    /// The table's name: `sessions`.
    pub name: &'static str,
    /// In which form the rows are.
    pub format: Format,
    /// The columns as JSON.
    pub schema_string: String,
    /// The columns whose values the log has: one or none.
    pub partition_columns: Vec<&'static str>,
    /// Settings of the table: none.
    pub configuration: Nothing,
    /// When the log began, in milliseconds since 1970, UTC.
    pub created_time: i64,
}

/// In which form the rows are.
#[derive(Debug, Default, Serialize)]
pub struct Format {
    /// Always `parquet`.
    pub provider: &'static str,
    /// Settings of the form: none.
    pub options: Nothing,
}

/// A file that is no longer one of the table's.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Remove {
    path: String,
    deletion_timestamp: i64,
    data_change: bool,
    /// Says that the two behind it are there.
    extended_file_metadata: bool,
    partition_values: BTreeMap<&'static str, String>,
    size: u64,
}

/// A file of the table.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Add {
    /// Its path below the table's folder, percent-encoded: `start_month=2026-11/<sha256>.parquet`.
    pub path: String,
    /// Its partition: `start_month` and `2026-11`; empty where there are no partitions.
    pub partition_values: BTreeMap<&'static str, String>,
    /// Bytes of the whole file.
    pub size: u64,
    /// When the snapshot was made that this action was written for, in milliseconds since 1970, UTC.
    pub modification_time: i64,
    /// Whether the rows are other than before; false in a checkpoint, which changes nothing.
    pub data_change: bool,
    /// How many rows there are, and the bounds of their starts, as JSON.
    pub stats: String,
}

/// The bytes of the commit that shows a snapshot, where the version before shows `before`; `None` where the log begins.
pub fn commit(table: Table, before: Option<&Shown>, after: &Shown) -> Vec<u8> {
    let changes = lines(&changes(table, before, after));
    let mut bytes = lines(&[Action::CommitInfo(info(after, &changes))]);
    bytes.extend(changes);
    bytes
}

/// Whether a commit is the one that rollbook has made of a snapshot, whichever version of rollbook that was. Its lines are those
/// that it was made with.
pub fn is_of(commit: &[u8], shown: &Shown) -> bool {
    let (first, changes) = split(commit);
    let read = serde_json::from_slice::<Info>(first);
    read.is_ok_and(|Info { commit_info: found }| {
        let ours = info(shown, changes);
        found.engine_info.starts_with(ENGINE) && CommitInfo { engine_info: ours.engine_info.clone(), ..found } == ours
    })
}

/// Whether two commits change the same.
pub fn change_the_same(one: &[u8], other: &[u8]) -> bool {
    split(one).1 == split(other).1
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Info {
    commit_info: CommitInfo,
}

/// The first line, which says what the others are, and those.
fn split(commit: &[u8]) -> (&[u8], &[u8]) {
    let end = commit.iter().position(|byte| *byte == b'\n').map_or(commit.len(), |end| end + 1);
    commit.split_at(end)
}

fn lines(actions: &[Action]) -> Vec<u8> {
    let line = |action| serde_json::to_string(action).unwrap_or_default() + "\n";
    actions.iter().map(line).collect::<String>().into_bytes()
}

fn info(shown: &Shown, changes: &[u8]) -> CommitInfo {
    CommitInfo {
        timestamp: shown.made_at(),
        operation: "WRITE".to_owned(),
        operation_parameters: Parameters {
            snapshot: shown.snapshot().snapshot.to_string(),
            run_id: shown.snapshot().run_id.clone(),
            sum: hexadecimal(&Sha256::digest(changes)),
        },
        engine_info: format!("{ENGINE}{}", env!("CARGO_PKG_VERSION")),
    }
}

fn changes(table: Table, before: Option<&Shown>, after: &Shown) -> Vec<Action> {
    let mut actions = Vec::new();
    if before.is_none() {
        actions.push(Action::Protocol(PROTOCOL));
    }
    let version = |shown: &Shown| shown.snapshot().method.schema_version;
    if before.is_none_or(|before| version(before) != version(after)) {
        actions.push(Action::MetaData(metadata(table, after)));
    }
    let old = before.map_or(&[][..], |before| before.files(table));
    let new = after.files(table);
    actions.extend(missing(old, new).map(|entry| Action::Remove(remove(after, entry))));
    actions.extend(missing(new, old).map(|entry| Action::Add(add(table, after, entry, true))));
    actions
}

/// The files of one list that another one lacks.
fn missing<'a>(files: &'a [Entry], others: &[Entry]) -> impl Iterator<Item = &'a Entry> {
    let paths: BTreeSet<&str> = others.iter().map(|entry| entry.path.as_str()).collect();
    files.iter().filter(move |entry| !paths.contains(entry.path.as_str()))
}

/// What the table is, as of a snapshot.
pub fn metadata(table: Table, shown: &Shown) -> Metadata {
    Metadata {
        id: shown.log_id(table),
        name: table.name(),
        format: Format { provider: "parquet", options: Nothing {} },
        schema_string: schema::text(table, shown.snapshot().method.schema_version, shown.by()),
        partition_columns: schema::partition_column(shown.by()).into_iter().collect(),
        configuration: Nothing {},
        created_time: shown.began_at(),
    }
}

fn remove(after: &Shown, entry: &Entry) -> Remove {
    Remove {
        path: encoded(below_table(&entry.path)),
        deletion_timestamp: after.made_at(),
        data_change: true,
        extended_file_metadata: true,
        partition_values: partition_values(after, entry),
        size: entry.bytes,
    }
}

/// A file of a snapshot; `is_new`: it was not one of the snapshot before.
pub fn add(table: Table, shown: &Shown, entry: &Entry, is_new: bool) -> Add {
    Add {
        path: encoded(below_table(&entry.path)),
        partition_values: partition_values(shown, entry),
        size: entry.bytes,
        modification_time: shown.made_at(),
        data_change: is_new,
        stats: super::stats::text(table, entry),
    }
}

/// The part of a path of `lake/` that is below the table's folder.
fn below_table(path: &str) -> &str {
    path.split_once('/').map_or(path, |(_, below)| below)
}

fn partition_values(shown: &Shown, entry: &Entry) -> BTreeMap<&'static str, String> {
    let folder = below_table(&entry.path).split_once('/').map_or("", |(folder, _)| folder);
    let value = folder.split_once('=').map_or("", |(_, value)| value);
    schema::partition_column(shown.by()).map(|column| (column, value.to_owned())).into_iter().collect()
}

/// A path in a URI: each byte that is not for a path there becomes `%` and two digits.
fn encoded(path: &str) -> String {
    path.bytes().fold(String::with_capacity(path.len()), |mut text, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b'=' => {
                text.push(char::from(byte));
            }
            _ => text.extend(['%', digit(byte >> 4), digit(byte & 15)]),
        }
        text
    })
}

fn digit(value: u8) -> char {
    char::from_digit(u32::from(value), 16).unwrap_or('0').to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_path_in_a_uri_may_not_have_is_escaped() {
        let ours = "start_month=2026-11/0123456789abcdef.parquet";
        assert_eq!(encoded(ours), ours);
        assert_eq!(encoded("a b%/\u{e9}?#"), "a%20b%25/%C3%A9%3F%23");
    }
}
