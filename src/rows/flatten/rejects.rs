//! Raw records that are kept because all or part of them could not become a row, and how one that names no session is told
//! from others.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{Found, Options};
use crate::rows::anomaly::Anomaly;
use crate::rows::erasure::Denied;
use crate::rows::lenient::Scalar;
use crate::rows::model;
use crate::rows::privacy::{Privacy, shape};
use crate::words::id;
use crate::words::limits;

/// Why a record has no row.
pub(super) const NO_USABLE_ID: &str = "no_usable_id";
/// Added to the reason where a record was too long to be kept as it is.
const CUT: &str = ",cut_raw";

/// A raw record kept because all or part of it could not become a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reject {
    /// The record's place in the page's `data`, from 0.
    pub index: usize,
    /// Why: names of anomalies, or `no_usable_id`; `cut_raw` besides where the record is not whole.
    pub reason: String,
    /// The record as the API sent it, but for those who have been erased; its beginning where it is very long.
    pub raw: String,
    /// The session that the record is of, or what it is known by where it has no usable id.
    pub of: Of,
    /// By what the record is known again where `raw` is its shape alone, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<String>,
}

impl Reject {
    /// By what the content of the record is known again.
    pub fn content(&self) -> u128 {
        let mark = self.mark.as_deref().and_then(|mark| u128::from_str_radix(mark, 16).ok());
        mark.unwrap_or_else(|| id::hash(&self.raw))
    }
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
    /// The record of a session that has a row, though not all of the record could be read.
    pub fn of_session(found: &Found<'_>, reason: String) -> Self {
        Self { index: found.session.place as usize, reason, of: Whose::Session(found.id.clone().into_owned()) }
    }

    /// Without a usable id, among those that have one, in list order.
    pub fn without_id(index: usize, reason: &str, found: &[Found<'_>]) -> Self {
        let place = |found: &Found<'_>| found.session.place as usize;
        let behind = found.partition_point(|found| place(found) < index);
        let nearest = [behind.checked_sub(1), Some(behind)].into_iter().flatten().filter_map(|at| found.get(at));
        let away = |other: usize| index.cast_signed() - other.cast_signed();
        let beside = nearest.map(|found| (found.hash, away(place(found)))).collect();
        Self { index, reason: reason.to_owned(), of: Whose::Beside(beside) }
    }

    /// With its raw text, of which so many bytes are kept, or with its shape. A part of a record is no JSON: where somebody has
    /// been erased, nobody could tell who is in it.
    fn with(self, raw: &str, most: usize, denied: Option<&Denied>, privacy: &Privacy) -> Reject {
        let Self { index, reason, of } = self;
        let scrubbed = |raw| denied.map_or(Cow::Borrowed(raw), |denied| denied.scrub(raw));
        // Of a longer one nothing is looked into: that would take many times its length.
        let whole = (raw.len() <= limits::RAW).then(|| scrubbed(raw));
        // By all of it: how much is kept is another matter.
        let content = id::hash(whole.as_deref().unwrap_or(raw));
        let mark = privacy.mark(content);
        let of = match of {
            Whose::Session(id) => Of::Session(id),
            Whose::Beside(nearest) => Of::Unknown(marks(nearest, mark.unwrap_or(content))),
        };
        if let Some(mark) = mark {
            let raw = shape(whole.as_deref().unwrap_or_default(), privacy.columns());
            let (is_cut, raw) = (raw.len() > most, limits::cut(&raw, most).to_owned());
            let reason = if is_cut { reason + CUT } else { reason };
            return Reject { index, reason, raw, of, mark: Some(format!("{mark:x}")) };
        }
        match whole.filter(|_| raw.len() <= most) {
            Some(whole) => Reject { index, reason, raw: whole.into_owned(), of, mark: None },
            None => Reject {
                index,
                reason: reason + CUT,
                raw: scrubbed(limits::cut(raw, most)).into_owned(),
                of,
                mark: None,
            },
        }
    }
}

fn marks(nearest: Vec<(u128, isize)>, content: u128) -> Vec<String> {
    let mark = |(id, away)| format!("{:x}", id::hash(&format!("{content:x} {id:x} {away}")));
    nearest.into_iter().map(mark).collect()
}

/// Why a record with this id has no row.
pub(super) fn without_id(id: &Scalar<'_>) -> &'static str {
    let is_long = id.text().is_some_and(|id| id.len() > limits::ID);
    if is_long { Anomaly::LongId.name() } else { NO_USABLE_ID }
}

/// Those of a page with their raw texts. The page is read a second time only where there are any. The erased are taken out
/// here, before anything reaches the disk.
pub(super) fn raw(mut rejected: Vec<Rejected>, text: &str, options: &Options) -> Vec<Reject> {
    if rejected.is_empty() {
        return Vec::new();
    }
    rejected.sort_by_key(|rejected| rejected.index);
    let mut rejects = Vec::with_capacity(rejected.len());
    let mut room = limits::RAW_OF_PAGE;
    let mut wanted = rejected.into_iter().peekable();
    model::raw_records(text, &options.limits, |place, raw| {
        while let Some(rejected) = wanted.next_if(|wanted| wanted.index == place) {
            let reject = rejected.with(raw, room.min(limits::RAW), options.denied.as_deref(), &options.method.privacy);
            room -= reject.raw.len().min(room);
            rejects.push(reject);
        }
        wanted.peek().is_some()
    });
    rejects
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::rows::erasure::Identifier;
    use crate::rows::flatten::page;

    fn kept(records: &[String], denied: Option<Denied>) -> Vec<Reject> {
        let options = Options { denied: denied.map(Arc::new), ..Options::default() };
        let text = format!("{{\"data\":[{}]}}", records.join(","));
        let rejected = (0..records.len()).rev().map(|place| Rejected::without_id(place, "odd", &[]));
        raw(rejected.collect(), &text, &options)
    }

    #[test]
    fn long_records_are_cut_and_so_are_those_for_which_no_room_is_left() {
        let record = |length: usize| format!("\"{}\"", "\u{e9}".repeat(length / 2));
        let fits = record(limits::RAW - 2);
        let [whole, long] = [fits.clone(), record(limits::RAW)];
        let rejects = kept(&[whole.clone(), long.clone(), "7".to_owned()], None);
        assert_eq!((rejects[0].raw.len(), rejects[0].reason.as_str()), (limits::RAW, "odd"));
        assert_eq!((rejects[1].raw.len(), rejects[1].reason.as_str()), (limits::RAW - 1, "odd,cut_raw"));
        assert_eq!((rejects[2].raw.as_str(), rejects[2].index), ("7", 2));
        let many = kept(&vec![fits; 20], None);
        assert_eq!(many.iter().map(|reject| reject.raw.len()).sum::<usize>(), limits::RAW_OF_PAGE);
        assert_eq!(many.iter().filter(|reject| reject.reason == "odd,cut_raw").count(), 4);

        let mut denied = Denied::nobody(b"key").unwrap();
        denied.add(Identifier::Name, denied.hash(Identifier::Name, "Ann"), 1);
        let ann = format!("{{\"name\":\"Ann\",\"x\":{}}}", record(limits::RAW));
        assert_eq!(kept(&[ann], Some(denied))[0].raw, "null");
    }

    /// The marks of each record without an id.
    fn marks(records: &[&str]) -> Vec<Vec<String>> {
        let flat = page(format!("{{\"data\":[{}]}}", records.join(",")), &Options::default()).unwrap();
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
