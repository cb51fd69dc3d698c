//! What of a page is kept raw, and how a record that names no session is told from others.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{Found, identity};
use crate::api::model;
use crate::erasure::Denied;

/// Why a record without a usable id is a reject.
const NO_USABLE_ID: &str = "no_usable_id";

/// A raw record kept because all or part of it could not become a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reject {
    /// Position in the page.
    pub index: usize,
    /// Why: names of anomalies, or `no_usable_id`.
    pub reason: String,
    /// The record as the API sent it, but for those who have been erased.
    pub raw: String,
    /// Whose it is.
    pub of: Of,
}

/// Whose record a reject is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Of {
    /// The session's with this id.
    Session(String),
    /// Nobody knows: it has no usable id, so that it may stand in the place of any session. The same record in another
    /// answer shares one of these marks: its content, the nearest record with an id, and how far away that stands. Without
    /// such a record in the page there are none.
    Unknown(Vec<String>),
}

/// A reject without its raw text.
pub(super) struct Rejected {
    index: usize,
    reason: String,
    of: Whose,
}

enum Whose {
    Session(String),
    /// The nearest records with an id: the hash of that, and how far up the page.
    Beside(Vec<(u128, isize)>),
}

impl Rejected {
    /// Of a session.
    pub fn of_session(found: &Found<'_>, reason: String) -> Self {
        Self { index: found.index, reason, of: Whose::Session(found.id.clone().into_owned()) }
    }

    /// Without an id, among those that have one, in list order.
    pub fn without_id(index: usize, found: &[Found<'_>]) -> Self {
        let behind = found.partition_point(|found| found.index < index);
        let nearest = [behind.checked_sub(1), Some(behind)].into_iter().flatten().filter_map(|at| found.get(at));
        let away = |other: usize| index.cast_signed() - other.cast_signed();
        let beside = nearest.map(|found| (found.hash, away(found.index))).collect();
        Self { index, reason: NO_USABLE_ID.to_owned(), of: Whose::Beside(beside) }
    }

    fn with(self, raw: String) -> Reject {
        let Self { index, reason, of } = self;
        let of = match of {
            Whose::Session(id) => Of::Session(id),
            Whose::Beside(nearest) => {
                let content = identity(&raw);
                let mark = |(id, away)| format!("{:x}", identity(&format!("{content:x} {id:x} {away}")));
                Of::Unknown(nearest.into_iter().map(mark).collect())
            }
        };
        Reject { index, reason, raw, of }
    }
}

/// The page is read a second time only when something of it must be kept raw. The erased are taken out here, before
/// anything reaches the disk.
pub(super) fn rejects(mut rejected: Vec<Rejected>, text: &str, denied: Option<&Denied>) -> Vec<Reject> {
    if rejected.is_empty() {
        return Vec::new();
    }
    rejected.sort_by_key(|rejected| rejected.index);
    let raw = model::raw_records(text);
    let scrubbed = |raw: &str| denied.map_or(Cow::Borrowed(raw), |denied| denied.scrub(raw)).into_owned();
    let raw = |index: usize| raw.get(index).map_or_else(String::new, |raw| scrubbed(raw.get()));
    rejected.into_iter().map(|rejected| (raw(rejected.index), rejected)).map(|(raw, it)| it.with(raw)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flatten::{Options, page};

    /// The marks of each record without an id.
    fn marks(records: &[&str]) -> Vec<Vec<String>> {
        let flat = page(format!("{{\"data\":[{}]}}", records.join(",")).as_bytes(), &Options::default()).unwrap();
        let marks = |reject: Reject| if let Of::Unknown(marks) = reject.of { Some(marks) } else { None };
        flat.rejects.into_iter().filter_map(marks).collect()
    }

    fn shared(one: &[String], other: &[String]) -> bool {
        one.iter().any(|mark| other.contains(mark))
    }

    #[test]
    fn a_record_without_an_id_is_known_by_what_stands_beside_it() {
        const A: &str = r#"{"id":"a"}"#;
        const B: &str = r#"{"id":"b"}"#;
        let whole = marks(&[A, "null", "null", B, "null"]);
        assert_eq!(whole.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
        for (one, other) in [(0, 1), (0, 2), (1, 2)] {
            assert!(!shared(&whole[one], &whole[other]), "{one} {other}");
        }
        // Pages that are cut elsewhere, or that hold more.
        for (cut, at) in [(&["null", B, "7"][..], 1), (&[A, "null"], 0), (&[r#"{"id":"x"}"#, A, "null", "0"], 0)] {
            assert!(shared(&marks(cut)[0], &whole[at]), "{cut:?}");
        }
        // Other content, another place, and no place at all.
        for other in [&[A, "7"][..], &[A, B, "null", "null"], &["null"]] {
            assert!(!shared(&marks(other)[0], &whole[0]), "{other:?}");
        }
    }
}
