//! How much of a session is filled in, and whether one version of it lacks what another one has. Pure.
//!
//! A session that has ended does not lose its participants. An answer in which it has is that of a back end that has lost
//! them, and must not take the place of a better one. Facts are counted, not compared one by one: whatever changes a name
//! or a time is no loss.

/// How much of a version of a session is filled in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Facts {
    /// What is known of the session itself.
    pub own: Own,
    /// Entries in the session's list of participants, those of the erased not counted.
    pub participants: u32,
    /// Names and ids in these entries, empty ones not counted: at most two an entry.
    pub texts: u32,
    /// Entries with at least one timelog.
    pub joined: u32,
    /// Timelogs of all entries together.
    pub timelogs: u32,
    /// Starts and ends of these timelogs that could be read: at most two a timelog.
    pub times: u32,
}

/// A set of what can be known of a session itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Own(pub u32);

impl Own {
    /// That it has ended: it has an end, if one that can't be read, or says so.
    pub const ENDED: Self = Self(1);
    /// That its start is known: `started_at` is not null.
    pub const START: Self = Self(2);
    /// That its end is known: `ended_at` is not null. A session can have ended without that.
    pub const END: Self = Self(4);
    /// That its meeting is known: `meeting_id` is not null.
    pub const MEETING: Self = Self(8);
    /// That the API has reported a `status` (v2).
    pub const STATUS: Self = Self(16);
    /// That the account's own id of the room is known: `custom_room_id` (v2).
    pub const CUSTOM_ROOM: Self = Self(32);
    /// That the API has reported a `region` (v2).
    pub const REGION: Self = Self(64);
    /// That the API has reported an `active_duration`, zero included.
    pub const ACTIVE_DURATION: Self = Self(128);

    /// Of these, all that are known.
    pub fn of(facts: impl IntoIterator<Item = (Self, bool)>) -> Self {
        Self(facts.into_iter().filter(|(_, is_known)| *is_known).fold(0, |all, (fact, _)| all | fact.0))
    }

    const fn has_all(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl Facts {
    /// How many bytes the facts of a session take in a file: six numbers of four bytes.
    pub const BYTES: usize = 24;

    /// The facts as they stand in a file: six numbers, little-endian, in the order of the fields.
    pub fn bytes(self) -> [u8; Self::BYTES] {
        let Self { own: Own(own), participants, texts, joined, timelogs, times } = self;
        let mut bytes = [0; Self::BYTES];
        for (bytes, count) in
            bytes.as_chunks_mut().0.iter_mut().zip([own, participants, texts, joined, timelogs, times])
        {
            *bytes = count.to_le_bytes();
        }
        bytes
    }

    /// The facts that [`Facts::bytes`] has written.
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let mut counts = bytes.as_chunks().0.iter().copied().map(u32::from_le_bytes);
        let mut next = || counts.next().unwrap_or_default();
        Self { own: Own(next()), participants: next(), texts: next(), joined: next(), timelogs: next(), times: next() }
    }

    /// Whether the session has ended.
    pub const fn is_ended(self) -> bool {
        self.own.has_all(Own::ENDED)
    }

    /// Counts an entry, and the names and ids in it.
    pub fn participant(&mut self, id: Option<&str>, name: Option<&str>) {
        self.participants += 1;
        self.texts +=
            [id, name].into_iter().map(|text| u32::from(text.is_some_and(|text| !text.is_empty()))).sum::<u32>();
    }

    /// Counts a timelog, the first one of its entry or not, and the times in it.
    pub fn timelog(&mut self, is_first: bool, start: Option<i64>, end: Option<i64>) {
        self.joined += u32::from(is_first);
        self.timelogs += 1;
        self.times += u32::from(start.is_some()) + u32::from(end.is_some());
    }
}

/// Whether a newer version of a session lacks what is known of it, so that it must not take its place. A session that was
/// still running is never known for good.
pub fn is_poorer(new: &Facts, known: &Facts) -> bool {
    let Facts { own, participants, texts, joined, timelogs, times } = *known;
    known.is_ended()
        && (!new.own.has_all(own)
            || new.participants < participants
            || new.texts < texts
            || new.joined < joined
            || new.timelogs < timelogs
            || new.times < times)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KNOWN: Facts = Facts { own: Own(1 | 2 | 4 | 8), participants: 3, texts: 6, joined: 2, timelogs: 4, times: 8 };

    #[test]
    fn a_version_that_lacks_anything_is_poorer() {
        for new in [
            Facts { own: Own(2 | 4 | 8), ..KNOWN },
            Facts { own: Own(1 | 2 | 8), ..KNOWN },
            // Something else is there in its place.
            Facts { own: Own(1 | 2 | 4 | 16), ..KNOWN },
            Facts { participants: 2, ..KNOWN },
            Facts { participants: 0, texts: 0, joined: 0, timelogs: 0, times: 0, ..KNOWN },
            Facts { texts: 5, ..KNOWN },
            Facts { joined: 1, ..KNOWN },
            Facts { timelogs: 3, ..KNOWN },
            Facts { times: 7, ..KNOWN },
            // However much there is besides.
            Facts { participants: 90, texts: 180, joined: 1, timelogs: 90, times: 180, ..KNOWN },
        ] {
            assert!(is_poorer(&new, &KNOWN), "{new:?}");
        }
        let more = Facts { own: Own(255), participants: 4, texts: 8, joined: 4, timelogs: 5, times: 10 };
        assert!(!is_poorer(&more, &KNOWN) && !is_poorer(&KNOWN, &KNOWN));
    }

    #[test]
    fn a_running_session_grows_and_shrinks_as_it_likes() {
        let running = Facts { own: Own(2 | 8), ..KNOWN };
        for new in [running, KNOWN, Facts::default()] {
            assert!(!is_poorer(&new, &running), "{new:?}");
        }
    }

    #[test]
    fn what_is_filled_in_is_counted() {
        let mut facts = Facts::default();
        facts.participant(Some("p"), Some("Ann"));
        facts.participant(Some(""), None);
        facts.timelog(true, Some(1), Some(2));
        facts.timelog(false, None, Some(3));
        facts.timelog(true, Some(4), None);
        let counted = Facts { participants: 2, texts: 2, joined: 2, timelogs: 3, times: 4, ..Facts::default() };
        assert_eq!(facts, counted);
        facts.own = Own::of([(Own::END, true), (Own::START, false), (Own::MEETING, true)]);
        assert_eq!((facts.own, facts.is_ended()), (Own(12), false));
    }

    fn facts() -> impl Strategy<Value = Facts> {
        (0..4_u32, 0..3_u32, 0..3_u32, 0..3_u32, 0..3_u32, 0..3_u32).prop_map(
            |(own, participants, texts, joined, timelogs, times)| Facts {
                own: Own(own),
                participants,
                texts,
                joined,
                timelogs,
                times,
            },
        )
    }

    proptest! {
        #[test]
        fn facts_are_read_as_they_were_written(facts in facts()) {
            prop_assert_eq!(Facts::from_bytes(&facts.bytes()), facts);
        }

        /// What takes the place of what has taken a place lacks nothing of the first: a chain of versions never loses.
        #[test]
        fn nothing_is_lost_on_the_way(a in facts(), b in facts(), c in facts()) {
            if a.is_ended() && !is_poorer(&b, &a) && !is_poorer(&c, &b) {
                prop_assert!(!is_poorer(&c, &a));
            }
        }
    }
}
