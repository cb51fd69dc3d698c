//! Fields unknown to this version: how often each was read, and their values where these are kept.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use serde::de::{IgnoredAny, MapAccess};
use serde_json::value::RawValue;

use crate::rows::tables::{Table, Tables};
use crate::words::limits;

/// How often fields of so many different names were read; names beyond those count together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// How often each name was read, by its path, such as `participants.timelog.device`.
    pub counts: BTreeMap<String, u64>,
    /// How often fields were read whose names there was no more room for.
    pub more: u64,
}

impl Names {
    /// Adds the names of another page; a name for which there is no more room counts in `more`.
    pub fn add(&mut self, other: &Self) {
        self.more += other.more;
        for (name, count) in &other.counts {
            if let Some(known) = self.counts.get_mut(name) {
                *known += count;
            } else if self.counts.len() < limits::UNKNOWN_NAMES {
                self.counts.insert(name.clone(), *count);
            } else {
                self.more += count;
            }
        }
    }
}

impl Names {
    /// The same without the last part of each path, which may be anything: how many there were of which kind of record.
    #[must_use]
    pub fn of_kinds(self) -> Self {
        let mut counts = BTreeMap::new();
        for (name, count) in self.counts {
            let kind = ["participants.timelog.", "participants."].into_iter().find(|kind| name.starts_with(kind));
            *counts.entry(format!("{}*", kind.unwrap_or_default())).or_default() += count;
        }
        Self { counts, more: self.more }
    }
}

/// Bytes of a field in JSON.
fn field(name: &str, value: &RawValue) -> usize {
    name.len() + value.get().len() + 8
}

/// What of a record's unknown fields is kept.
#[derive(Debug)]
enum Kept<'a> {
    Field(Cow<'a, str>, &'a RawValue),
    /// More than a record may have; none of it then.
    TooMuch,
}

/// The unknown fields of a page, by kind of record.
#[derive(Debug, Default)]
pub struct Unknown<'a> {
    is_kept: bool,
    /// How often each name was read.
    counts: Tables<BTreeMap<Cow<'a, str>, u64>>,
    more: u64,
    /// By the record's number in its list, rising.
    kept: Tables<Vec<(usize, Kept<'a>)>>,
    /// The record of each kind that had a field last, and the bytes that its fields take.
    last: Tables<(usize, usize)>,
}

impl<'a> Unknown<'a> {
    pub(super) fn new(is_kept: bool) -> Self {
        Self { is_kept, ..Self::default() }
    }

    /// Takes a field of a record; returns the bytes that it takes, of so many that there are.
    pub(super) fn field<A: MapAccess<'a>>(
        &mut self,
        table: Table,
        record: usize,
        name: Cow<'a, str>,
        map: &mut A,
        room: usize,
    ) -> Result<usize, A::Error> {
        if !self.is_kept {
            map.next_value::<IgnoredAny>()?;
            self.count(table, name);
            return Ok(0);
        }
        let value: &RawValue = map.next_value()?;
        self.count(table, name.clone());
        let (kept, last) = (&mut self.kept[table], &mut self.last[table]);
        if last.0 != record {
            *last = (record, 0);
        }
        let bytes = field(&name, value);
        last.1 = last.1.saturating_add(bytes);
        let of_record = kept.partition_point(|(of, _)| *of < record);
        if last.1 <= limits::EXTRA && bytes <= room {
            kept.push((record, Kept::Field(name, value)));
            return Ok(bytes + size_of::<(usize, Kept<'_>)>());
        }
        last.1 = usize::MAX;
        kept.truncate(of_record);
        kept.push((record, Kept::TooMuch));
        Ok(0)
    }

    fn count(&mut self, table: Table, name: Cow<'a, str>) {
        let told_apart: usize = self.counts.values().map(BTreeMap::len).sum();
        let counts = &mut self.counts[table];
        let name = limits::cut_cow(name, limits::UNKNOWN_NAME);
        if let Some(count) = counts.get_mut(&name) {
            *count += 1;
        } else if told_apart < limits::UNKNOWN_NAMES {
            counts.insert(name, 1);
        } else {
            self.more += 1;
        }
    }

    /// Lets go of the fields of records from these numbers on.
    pub(super) fn go_back(&mut self, participants: usize, timelogs: usize) {
        for (table, from) in [(Table::Participants, participants), (Table::Timelogs, timelogs)] {
            let kept = &mut self.kept[table];
            kept.truncate(kept.partition_point(|(record, _)| *record < from));
            self.last[table] = (usize::MAX, 0);
        }
    }

    /// Whether no record of a kind has any.
    pub fn has_none(&self, table: Table) -> bool {
        self.kept[table].is_empty()
    }

    /// The fields of a record, by its number in its list; `None` where they are more than a record may have.
    pub fn of(&self, table: Table, record: usize) -> Option<BTreeMap<&str, &'a RawValue>> {
        let kept = &self.kept[table];
        let from = kept.partition_point(|(of, _)| *of < record);
        let fields = kept[from..].iter().take_while(|(of, _)| *of == record).map(|(_, kept)| match kept {
            Kept::Field(name, value) => Some((name.as_ref(), *value)),
            Kept::TooMuch => None,
        });
        fields.collect()
    }

    /// Bytes that the fields of some records of a kind take at most.
    pub fn bytes(&self, table: Table, records: Range<usize>) -> usize {
        let kept = &self.kept[table];
        let from = kept.partition_point(|(of, _)| *of < records.start);
        let fields = kept[from..].iter().take_while(|(of, _)| *of < records.end);
        let bytes = fields.map(|(_, kept)| if let Kept::Field(name, value) = kept { field(name, value) } else { 0 });
        bytes.sum()
    }

    /// How often each name was read, by its path.
    pub fn names(self) -> Names {
        let mut names = Names { more: self.more, ..Names::default() };
        let paths = Tables { sessions: "", participants: "participants.", timelogs: "participants.timelog." };
        for (_, (path, counts)) in paths.zip(self.counts) {
            names.counts.extend(counts.into_iter().map(|(name, count)| (format!("{path}{name}"), count)));
        }
        names
    }
}
