//! Where things are in `lake/`. A file of a table is named by its content, and by nothing that a record could make up.

use crate::dataset::forms::PART;
use crate::dataset::layout::partition_of;
use crate::rows::partition::PartitionBy;
use crate::rows::tables::Table;

/// The folder of all that snapshots need, within the dataset's.
pub const FOLDER: &str = "lake";
/// The one pointer for all three tables.
pub const CURRENT: &str = "lake/current.json";
/// The snapshots' own folder.
pub const SNAPSHOTS: &str = "lake/snapshots";
/// Where the records of snapshots go when these are turned off.
pub const ENDED: &str = "lake/ended";

/// How the name of every immutable file ends.
const END: &str = ".parquet";
/// Hexadecimal digits of a SHA-256.
const DIGITS: usize = 64;

/// A path in the lake, from the dataset's folder: `lake/sessions/…` of `sessions/…`.
pub fn whole(path: &str) -> String {
    format!("{FOLDER}/{path}")
}

/// A path relative to the lake; `None` where it lies elsewhere.
pub fn inner(path: &str) -> Option<&str> {
    path.strip_prefix(FOLDER)?.strip_prefix('/')
}

/// The immutable file for the bytes of a plain one, relative to the lake: `sessions/start_month=2026-11/<sha256>.parquet`.
pub fn immutable(plain: &str, sha256: &str) -> String {
    let folder = plain.strip_suffix(PART).unwrap_or(plain);
    format!("{folder}{sha256}{END}")
}

/// The plain file beside an immutable one, and the SHA-256 of both; `None` for every path that this version would not make itself.
pub fn plain(by: PartitionBy, immutable: &str) -> Option<(String, &str)> {
    let (folder, name) = immutable.rsplit_once('/')?;
    let sha256 = name.strip_suffix(END)?;
    let is_sum = sha256.len() == DIGITS && sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let plain = format!("{folder}/{PART}");
    (is_sum && partition_of(by, &plain).is_some()).then_some((plain, sha256))
}

/// The table that a plain file is of.
pub fn table(plain: &str) -> Option<Table> {
    let first = plain.split('/').next()?;
    Table::ALL.into_iter().find(|table| table.name() == first && plain.strip_suffix(PART).is_some())
}

/// The record of a snapshot: `lake/snapshots/00000012.json`.
pub fn snapshot(number: u64) -> String {
    format!("{SNAPSHOTS}/{number:08}.json")
}

/// The number of the snapshot that a path is the record of.
pub fn number(path: &str) -> Option<u64> {
    let number = path.strip_prefix(SNAPSHOTS)?.strip_prefix('/')?.strip_suffix(".json")?.parse().ok()?;
    (snapshot(number) == path).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_its_content_and_nothing_else_is_one() {
        let sha256 = "0123456789abcdef".repeat(4);
        for (by, path) in [
            (PartitionBy::Month, "sessions/start_month=2026-11/part-0.parquet"),
            (PartitionBy::Day, "timelogs/start_date=2026-11-23/part-0.parquet"),
            (PartitionBy::None, "participants/part-0.parquet"),
        ] {
            let file = immutable(path, &sha256);
            assert_eq!(plain(by, &file), Some((path.to_owned(), sha256.as_str())));
            assert!(table(path).is_some() && table(&file).is_none());
            for other in [
                format!("../{file}"),
                format!("/{file}"),
                file.replace("0123", "01g3"),
                file.replace("0123", ""),
                file.replace("parquet", "json"),
                file.replace("s/", "s/../sessions/"),
                path.to_owned(),
            ] {
                assert_eq!(plain(by, &other), None, "{other}");
            }
        }
        assert_eq!(table("_rollbook/state.json"), None);
    }

    #[test]
    fn a_snapshot_has_eight_digits_or_as_many_as_it_needs() {
        for (number, path) in [(1, "lake/snapshots/00000001.json"), (123_456_789, "lake/snapshots/123456789.json")] {
            assert_eq!(snapshot(number), path);
            assert_eq!(super::number(path), Some(number));
        }
        for path in ["lake/snapshots/1.json", "lake/snapshots/00000001", "lake/snapshots/+0000001.json", "x"] {
            assert_eq!(number(path), None, "{path}");
        }
    }
}
