//! What can be odd about a row, as a set that rolls up from timelog to participant to session.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, Int32Array, ListArray, StringArray};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, Field};

macro_rules! anomalies {
    ($($variant:ident $name:literal $doc:literal,)*) => {
        /// One oddity; ordered by name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Anomaly { $(#[doc = $doc] $variant,)* }

        impl Anomaly {
            /// All of them, sorted by name.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// As it stands in the column.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What the anomaly means, in one line for `docs/schema.md`.
            pub const fn doc(self) -> &'static str {
                match self { $(Self::$variant => $doc,)* }
            }
        }
    };
}

anomalies! {
    BadParticipants "bad_participants" "`participants`, or an entry of it, is not of the documented type; the raw record is a reject",
    BadText "bad_text" "text that is not valid Unicode, its broken part replaced by U+FFFD; the raw record is a reject",
    BadTimelog "bad_timelog" "`timelog`, or an entry of it, is not of the documented type; the raw record is a reject",
    BadTimestamp "bad_timestamp" "a time that is not RFC 3339 or outside of the years 1 to 9999 in UTC, read as null; the raw record is a reject",
    BadValue "bad_value" "another field of a wrong type, or whose key is there twice, read as null; the raw record is a reject",
    CutText "cut_text" "a text of more than 4,096 bytes, cut; an `extra` of more than 16,384 bytes is null",
    EndBeforeStart "end_before_start" "it ends before it starts; a timelog then counts nothing",
    LeftOpen "left_open" "a timelog without an end in a session that runs, whose participant joined again later; it counts up to that join",
    LongId "long_id" "an id of more than 1,024 bytes, read as null; the raw record is a reject",
    NoStart "no_start" "a timelog without a start; it counts nothing",
    OpenInEndedSession "open_in_ended_session" "a timelog without an end in a session that ended; it counts up to the participant's next join, else to the session's end",
    OutsideSession "outside_session" "a timelog that leaves its session; it is clamped",
    Overlap "overlap" "timelogs of one entry overlap; the time counts once",
    RepeatedParticipant "repeated_participant" "several entries with one `participant_id`; one person for the peak",
    TooLarge "too_large" "more participants and timelogs than are read of one session, which then has none; the raw record is a reject",
}

/// The bits that stand for one.
const KNOWN: u16 = (1 << Anomaly::ALL.len()) - 1;

/// A set of anomalies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Anomalies(u16);

impl Anomalies {
    /// The empty set, that of a row with nothing odd about it.
    pub const NONE: Self = Self(0);

    /// Whether nothing is odd.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Adds an anomaly to the set; one that is in the set already changes nothing.
    pub fn add(&mut self, anomaly: Anomaly) {
        self.0 |= 1 << anomaly as u16;
    }

    /// Adds all of another set.
    pub fn merge(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// Whether one is in the set.
    pub const fn has(self, anomaly: Anomaly) -> bool {
        self.0 & (1 << anomaly as u16) != 0
    }

    /// Those of the set that are among these.
    #[must_use]
    pub fn among(self, some: &[Anomaly]) -> Self {
        let mut among = Self::NONE;
        if self.is_empty() {
            return among;
        }
        some.iter().filter(|anomaly| self.has(**anomaly)).for_each(|anomaly| among.add(*anomaly));
        among
    }

    /// Those that mean that part of the raw record did not make it into the row.
    pub fn is_reject(self) -> bool {
        use Anomaly::{BadParticipants, BadText, BadTimelog, BadTimestamp, BadValue, LongId, TooLarge};
        let bad = [BadParticipants, BadText, BadTimelog, BadTimestamp, BadValue, LongId, TooLarge];
        bad.into_iter().any(|bad| self.has(bad))
    }

    /// How many anomalies are in the set.
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// The members, sorted by name.
    pub fn iter(self) -> impl Iterator<Item = Anomaly> {
        Anomaly::ALL.iter().copied().filter(move |&anomaly| self.has(anomaly))
    }
}

/// A column of sets in the stage, a bit each.
pub fn bits(sets: &[Anomalies]) -> ArrayRef {
    Arc::new(Int32Array::from_iter_values(sets.iter().map(|set| i32::from(set.0))))
}

/// The sets of such a column. A bit that stands for nothing is left out.
pub fn of_bits(column: &ArrayRef) -> Vec<Anomalies> {
    let bits = column.as_primitive::<Int32Type>().values().iter();
    bits.map(|bits| Anomalies(u16::try_from(*bits).unwrap_or_default() & KNOWN)).collect()
}

/// A column of sets, as stored.
pub fn column(sets: &[Anomalies]) -> ArrayRef {
    let element = Arc::new(Field::new("element", DataType::Utf8, false));
    let odd = || sets.iter().filter(|set| !set.is_empty());
    // Most columns hold nothing odd at all.
    let offsets = match odd().next() {
        Some(_) => OffsetBuffer::from_lengths(sets.iter().map(|set| set.len())),
        None => OffsetBuffer::new_zeroed(sets.len()),
    };
    let names = StringArray::from_iter_values(odd().flat_map(|set| set.iter().map(Anomaly::name)));
    Arc::new(ListArray::new(element, offsets, Arc::new(names), None))
}

/// The sets of a stored column. A name that this version does not know is left out.
pub fn sets(lists: &ListArray) -> Vec<Anomalies> {
    if lists.values().is_empty() {
        return vec![Anomalies::NONE; lists.len()];
    }
    let set = |row: usize| {
        let mut set = Anomalies::NONE;
        if lists.value_length(row) == 0 {
            return set;
        }
        let list = lists.value(row);
        let names = list.as_string::<i32>().iter().flatten();
        let known = names.filter_map(|name| Anomaly::ALL.iter().find(|anomaly| anomaly.name() == name));
        known.for_each(|anomaly| set.add(*anomaly));
        set
    };
    (0..lists.len()).map(set).collect()
}
