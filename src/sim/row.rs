//! A row of the list on the wire.

use super::list::Row;
use super::v2::{self, Version};
use super::wire;

/// One row as JSON, in a list or alone.
pub(super) fn write_row(out: &mut Vec<u8>, version: Version, row: &Row, alone: bool) {
    match (&row.raw, version) {
        (Some(raw), _) => out.extend_from_slice(raw.as_bytes()),
        (None, Version::V1) => wire::session(out, &row.session),
        (None, Version::V2) => v2::session(out, &row.session, alone),
    }
}
