//! A simulated account: sessions made on demand from a seed and an index.
//!
//! Nothing is stored, so ten million sessions need no memory. Index 0 is the newest session. A session's content
//! depends on the seed, its index and its start, never on how many sessions the account has.

use super::random::{Random, mix};

/// The account's present, 2026-11-20T18:00:00Z in microseconds: no session starts later, and what would end later is
/// still running.
pub const NOW: i64 = 1_795_197_600_000_000;

/// What an account's sessions look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shape {
    /// As in the field: heavy tails, rejoins, overlaps, open ends, odd names; about 1.5 kB of JSON a session.
    #[default]
    Realistic,
    /// Small, regular and ended: two participants with one timelog each.
    Plain,
    /// As `Plain`, but every session is running, with its second participant still there.
    AllOpen,
    /// As `Plain`, but of any length up to three hours; some are still running.
    Varied,
}

/// What the first eight digits of an id say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ids {
    /// The second in which the session started.
    #[default]
    Started,
    /// A second up to so many before that: the session was made first, and people came later.
    Made(u32),
    /// Nothing: the digits are drawn at random, and order by id tells nothing of time.
    Random,
}

/// How the sessions' starts are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spacing {
    /// Milliseconds from one start to the next on average, at least 1.
    pub gap_ms: u64,
    /// How many neighbours share one start exactly; 1 for none.
    pub tied: u64,
}

impl Spacing {
    /// Distinct starts, `gap_ms` apart on average.
    pub const fn every(gap_ms: u64) -> Self {
        Self { gap_ms, tied: 1 }
    }
}

/// 100,000 sessions cover 365 days.
impl Default for Spacing {
    fn default() -> Self {
        Self::every(315_360)
    }
}

/// An account: a seed, a number of sessions, and their looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    pub(super) seed: u64,
    pub(super) sessions: u64,
    pub(super) shape: Shape,
    spacing: Spacing,
    ids: Ids,
}

/// Indexes from here on are those of sessions that were not in the account from the start; see [`Account::fresh`].
pub(super) const FRESH: u64 = 1 << 62;
/// Odd, so that multiplying by it is a bijection and an id leads back to its index.
const SCATTER: u64 = 0x9E37_79B9_7F4A_7C15;
/// The streams of random numbers that are not a session's own (those are the indexes).
const STARTS: u64 = 0xA000_0000_0000_0000;
const MEETING_NUMBERS: u64 = 0xB000_0000_0000_0000;
const MEETING_LETTERS: u64 = 0xC000_0000_0000_0000;
const NAMES: u64 = 0xD000_0000_0000_0000;
/// Meetings that are held again and again; every other session belongs to one of them.
const RECURRING: u64 = 500;

impl Account {
    /// An account with the usual spacing.
    #[must_use]
    pub fn new(seed: u64, sessions: u64, shape: Shape) -> Self {
        Self { seed, sessions, shape, spacing: Spacing::default(), ids: Ids::default() }
    }

    /// The same account with other starts.
    #[must_use]
    pub const fn spaced(mut self, spacing: Spacing) -> Self {
        self.spacing = spacing;
        self
    }

    /// The same account with other ids.
    #[must_use]
    pub const fn named(mut self, ids: Ids) -> Self {
        self.ids = ids;
        self
    }

    /// How many sessions the account has at the start.
    pub const fn len(&self) -> u64 {
        self.sessions
    }

    /// Whether there is no session.
    pub const fn is_empty(&self) -> bool {
        self.sessions == 0
    }

    /// The session's start in microseconds, a whole number of milliseconds; strictly falling with the index unless
    /// starts are tied.
    pub fn start(&self, index: u64) -> i64 {
        let slot = index / self.spacing.tied.max(1);
        let gap = self.spacing.gap_ms.max(1);
        let jitter = Random::new(self.seed, STARTS ^ slot).below(gap);
        let age_ms = slot.saturating_mul(gap).saturating_add(jitter);
        NOW.saturating_sub(i64::try_from(age_ms).unwrap_or(i64::MAX).saturating_mul(1000))
    }

    /// The index of the session with this id, if the account has it.
    pub fn index_of(&self, id: &str) -> Option<u64> {
        let tail = u64::from_str_radix(id.get(8..)?, 16).ok()?;
        let index = (tail ^ mix(self.seed)).wrapping_mul(inverse(SCATTER));
        (index < self.sessions && self.id(index, self.start(index)) == id).then_some(index)
    }

    /// The meeting of the session at this index: a recurring one or one of its own.
    pub fn meeting_id(&self, index: u64) -> String {
        let mut random = Random::new(self.seed, MEETING_NUMBERS ^ index);
        let number = if random.once_in(2) { random.below(RECURRING) } else { RECURRING + index };
        let mut letters = Random::new(self.seed, MEETING_LETTERS ^ number);
        let mut id = String::with_capacity(14);
        for place in 0..14 {
            let letter = *letters.pick(b"abcdefghijklmnopqrstuvwxyz");
            id.push(if place == 4 || place == 9 { '-' } else { char::from(letter) });
        }
        id
    }

    /// As the field's own ids: eight digits, of a time in seconds, and sixteen that tell the session.
    pub(super) fn id(&self, index: u64, start: i64) -> String {
        let tail = index.wrapping_mul(SCATTER) ^ mix(self.seed);
        let mut random = Random::new(self.seed, NAMES ^ index);
        let started = start.div_euclid(1_000_000);
        let head = match self.ids {
            Ids::Started => started,
            Ids::Made(lead) => started - random.within(i64::from(lead)),
            Ids::Random => random.within(1 << 32),
        };
        format!("{:08x}{tail:016x}", head & 0xFFFF_FFFF)
    }
}

/// The number that undoes a multiplication by this odd one, by Newton's iteration: each round doubles the right bits.
const fn inverse(odd: u64) -> u64 {
    let mut guess = odd;
    let mut round = 0;
    while round < 5 {
        guess = guess.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(guess)));
        round += 1;
    }
    guess
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::session::Session;

    #[test]
    fn a_session_does_not_depend_on_the_size_of_the_account() {
        let small = Account::new(3, 10, Shape::Realistic);
        let large = Account::new(3, 10_000_000, Shape::Realistic);
        for index in 0..10 {
            assert_eq!(small.session(index), large.session(index));
        }
        assert_ne!(small.session(4), Account::new(4, 10, Shape::Realistic).session(4));
    }

    #[test]
    fn starts_fall_strictly_and_cover_a_year() {
        let account = Account::new(1, 100_000, Shape::Plain);
        let starts: Vec<i64> = (0..account.len()).map(|index| account.start(index)).collect();
        assert!(starts.windows(2).all(|pair| pair[0] > pair[1]));
        assert!(starts.iter().all(|start| start % 1000 == 0 && *start <= NOW));
        let days = (starts[0] - starts[99_999]) / 86_400_000_000;
        assert!((364..=366).contains(&days), "{days}");
    }

    #[test]
    fn tied_neighbours_share_their_start() {
        let account = Account::new(1, 9, Shape::Plain).spaced(Spacing { gap_ms: 1000, tied: 3 });
        let starts: Vec<i64> = (0..9).map(|index| account.start(index)).collect();
        assert_eq!(starts[0], starts[2]);
        assert!(starts[2] > starts[3]);
        assert_eq!(starts[3], starts[5]);
    }

    #[test]
    fn an_id_leads_back_to_its_index() {
        let account = Account::new(9, 10_000_000, Shape::Plain);
        for index in [0, 1, 77, 9_999_999] {
            let session = account.session(index);
            assert_eq!(session.id.len(), 24);
            assert_eq!(account.index_of(&session.id), Some(index));
        }
        assert_eq!(account.index_of(&account.fresh(0, NOW).id), None);
        assert_eq!(account.index_of("616e79f7ba68c7768bfd18bf"), None);
        assert_eq!(account.index_of("é"), None);
    }

    #[test]
    fn ids_tell_the_start_or_an_earlier_time_or_nothing() {
        for (ids, is_right) in [
            (Ids::Started, (|late| late == 0) as fn(i64) -> bool),
            (Ids::Made(600), |late| (0..600).contains(&late)),
            (Ids::Random, |_| true),
        ] {
            let account = Account::new(4, 300, Shape::Varied).named(ids);
            for (index, session) in (0..).zip(account.sessions()) {
                let head = i64::from_str_radix(&session.id[..8], 16).unwrap();
                assert!(is_right(session.start.unwrap() / 1_000_000 - head), "{ids:?} {session:?}");
                assert_eq!(account.index_of(&session.id), Some(index));
            }
        }
    }

    #[test]
    fn sessions_of_any_length_run_or_have_ended() {
        let sessions: Vec<Session> = Account::new(4, 300, Shape::Varied).sessions().collect();
        let running = sessions.iter().filter(|session| session.end.is_none()).count();
        assert!((5..60).contains(&running), "{running}");
        let mut ends: Vec<i64> = sessions.iter().filter_map(|session| session.end).collect();
        assert!(ends.iter().all(|end| *end <= NOW));
        assert!(!ends.is_sorted_by(|one, other| one >= other));
        ends.sort_unstable();
        ends.dedup();
        assert!(ends.len() > 230);
    }

    #[test]
    fn meetings_recur() {
        let account = Account::new(2, 5000, Shape::Plain);
        let mut meetings: Vec<String> = (0..5000).map(|index| account.meeting_id(index)).collect();
        meetings.sort();
        meetings.dedup();
        assert!((2500..3500).contains(&meetings.len()), "{}", meetings.len());
        assert_eq!(account.session(7).meeting_id, Some(account.meeting_id(7)));
    }
}
