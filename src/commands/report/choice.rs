//! Which sessions count: by their start and their meeting.

use arrow_array::Array;

use super::zone::{Zone, clock};
use crate::dataset::layout::Layout;
use crate::error::{Error, Kind, Result};
use crate::rows::chunk::Chunk;
use crate::rows::partition::Partition;
use crate::rows::tables::sessions;
use crate::words::range::{MOMENT, moment, no_date};

/// Which sessions count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// Those that started at this moment or later, in microseconds; with this, none without a start.
    pub from: Option<i64>,
    /// Those that started before this moment; with this, none without a start.
    pub to: Option<i64>,
    /// Those of these meetings; of all, if there are none.
    pub meetings: Vec<String>,
    /// The sessions whose timelines are wanted. It changes no number.
    pub sessions: Vec<String>,
}

impl Choice {
    /// Reads the dates that were typed; days and months are those of the zone.
    ///
    /// # Errors
    /// `Config` where a date is none, or the range is empty.
    pub fn read(from: Option<&str>, to: Option<&str>, zone: &Zone) -> Result<Self> {
        let read = |flag, text: Option<&str>| {
            let at = |text| date(text, zone).or_else(|| moment(text)).ok_or_else(|| refused(flag, text));
            text.map(at).transpose()
        };
        let (from, to) = (read("--from", from)?, read("--to", to)?);
        if from.zip(to).is_some_and(|(from, to)| from >= to) {
            return Err(Error::new(Kind::Config, "the range is empty: --from does not lie before --to")
                .hint("`--from` is in the range, `--to` is not"));
        }
        Ok(Self { from, to, ..Self::default() })
    }

    /// Whether a session of a chunk counts.
    pub fn has(&self, chunk: &Chunk, row: usize) -> bool {
        let (start, _) = chunk.key(row);
        let meetings = sessions::meeting_id(&chunk.batches().sessions);
        let is_of = |id: &String| meetings.is_valid(row) && meetings.value(row) == id;
        self.is_in(start) && (self.meetings.is_empty() || self.meetings.iter().any(is_of))
    }

    fn is_in(&self, start: Option<i64>) -> bool {
        match start {
            Some(start) => self.from.is_none_or(|from| from <= start) && self.to.is_none_or(|to| start < to),
            None => self.from.is_none() && self.to.is_none(),
        }
    }

    /// Whether a partition may hold a session that counts.
    pub fn may_have(&self, layout: &Layout, partition: Partition) -> bool {
        let first = self.from.map(|from| layout.partition(Some(from)));
        let last = self.to.map(|to| layout.partition(Some(to.saturating_sub(1))));
        first.is_none_or(|first| first <= partition) && last.is_none_or(|last| partition <= last)
    }

    /// What was chosen, in words; nothing where all sessions count.
    pub fn words(&self, zone: &Zone) -> Vec<String> {
        let from = self.from.map(|from| format!("started at {} or later", clock(zone, from)));
        let to = self.to.map(|to| format!("started before {}", clock(zone, to)));
        from.into_iter().chain(to).chain(self.meetings.iter().map(|id| format!("meeting {id}"))).collect()
    }
}

/// The first moment of a day (`2026-10-31`) or a month (`2026-10`) of the zone.
fn date(text: &str, zone: &Zone) -> Option<i64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let parts: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    let day = match lengths.as_slice() {
        [4, 2] => "1",
        [4, 2, 2] => parts[2],
        _ => return None,
    };
    let first = |day: &str| zone.midnight(parts[0].parse().ok()?, parts[1].parse().ok()?, day.parse().ok()?);
    if is_plain { first(day) } else { None }
}

fn refused(flag: &str, text: &str) -> Error {
    no_date(flag, text, MOMENT).hint("days and months are those of `--zone`; `--from` is in the range, `--to` is not")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::timestamp;

    #[test]
    fn days_are_those_of_the_zone_and_times_are_times() {
        let zone = Zone::named("Europe/Berlin").unwrap();
        let choice = Choice::read(Some("2026-10"), Some("2026-10-26"), &zone).unwrap();
        let at = timestamp::parse;
        assert_eq!((choice.from, choice.to), (at("2026-09-30T22:00:00Z"), at("2026-10-25T23:00:00Z")));
        assert_eq!(choice.words(&zone), ["started at 2026-10-01 00:00 or later", "started before 2026-10-26 00:00"]);
        let choice = Choice::read(Some("2026-10-31T08:00:00+02:00"), None, &zone).unwrap();
        assert_eq!(choice.from, at("2026-10-31T06:00:00Z"));
        assert!(
            !choice.is_in(None)
                && choice.is_in(at("2026-10-31T06:00:00Z"))
                && !choice.is_in(at("2026-10-31T05:59:59Z"))
        );
        assert!(Choice::default().is_in(None));
        for bad in ["", "2026", "2026-13", "2026-02-30", "20 26-10", "yesterday"] {
            assert_eq!(Choice::read(Some(bad), None, &zone).unwrap_err().kind(), Kind::Config, "{bad}");
        }
        assert!(Choice::read(Some("2026-10"), Some("2026-10"), &zone).is_err());
    }
}
