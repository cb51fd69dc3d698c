//! How much is taken of what others send or have written. Stated once; `docs/operations.md` lists it for users.
//!
//! The limits lie far above what any account has. They keep a hostile or broken server, and whoever can write into a
//! dataset's folder, from filling the memory of this machine, or from making files that nobody can read.

use std::borrow::Cow;

/// Bytes of an id at most: of a session, a meeting, a room or a participant.
pub const ID: usize = 1024;
/// Bytes of a name, a link or another free text at most.
pub const TEXT: usize = 4096;
/// Bytes that the fields unknown to this version may take in one record's `extra`.
pub const EXTRA: usize = 16 << 10;
/// Different names of unknown fields that are told apart.
pub const UNKNOWN_NAMES: usize = 256;
/// Bytes of such a name that are shown.
pub const UNKNOWN_NAME: usize = 128;
/// Records that an answer may hold beyond those that were asked for.
pub const SURPLUS: u32 = 1000;
/// The largest page that can be asked for.
pub const PAGE: u32 = 10_000;
/// Bytes of memory that the rows of one session may take as they are published.
pub const SESSION: usize = 32 << 20;
/// Bytes of rows that are handled together, if they are not all of one session.
pub const TOGETHER: usize = 8 << 20;
/// Bytes of a participant's row as it is published, without its texts.
pub const PARTICIPANT_ROW: usize = 160;
/// The same of a timelog's.
pub const TIMELOG_ROW: usize = 128;
/// The same of a session's.
pub const SESSION_ROW: usize = 192;
/// Bytes of a record that are kept where not all of it could become a row.
pub const RAW: usize = 1 << 20;
/// The same of all such records of an answer.
pub const RAW_OF_PAGE: usize = 16 << 20;

/// Bytes of a JSON record of rollbook's own in a dataset at most.
pub const RECORD: u64 = 64 << 20;
/// Entries that any of the lists in a state may have.
pub const LISTED: usize = 500_000;
/// Files that one folder of a dataset, with those in it, may hold.
pub const FILES: usize = 200_000;

/// How many records are read of an answer to a request for a page of this size.
pub const fn records(size: u32) -> usize {
    let asked = if size < PAGE { size } else { PAGE };
    (asked + SURPLUS) as usize
}

/// The beginning of a text: as many whole characters as so many bytes hold.
pub fn cut(text: &str, most: usize) -> &str {
    if text.len() <= most { text } else { &text[..text.floor_char_boundary(most)] }
}

/// The same of a text that may be owned.
pub fn cut_cow(text: Cow<'_, str>, most: usize) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(cut(text, most)),
        Cow::Owned(mut text) => {
            text.truncate(text.floor_char_boundary(most));
            Cow::Owned(text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_never_splits_a_character() {
        for (text, most, cut_to) in
            [("abc", 3, "abc"), ("abc", 2, "ab"), ("a\u{e9}", 2, "a"), ("\u{1f600}", 3, ""), ("", 0, ""), ("x", 0, "")]
        {
            assert_eq!(cut(text, most), cut_to, "{text:?} {most}");
            assert_eq!(cut_cow(Cow::Borrowed(text), most), cut_to, "{text:?} {most}");
            assert_eq!(cut_cow(Cow::Owned(text.to_owned()), most), cut_to, "{text:?} {most}");
        }
    }

    #[test]
    fn no_size_makes_an_answer_endless() {
        assert_eq!([records(1), records(100), records(PAGE), records(u32::MAX)], [1001, 1100, 11_000, 11_000]);
    }
}
