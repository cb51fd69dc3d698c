//! What a run has to cover: everything, back to the fence, or a range; of all meetings or of some.

use std::time::Duration;

use super::lookup::{Dues, Span};
use crate::api::Filter;
use crate::config::{ApiVersion, Config};
use crate::dataset::identity::Settled;
use crate::dataset::receipt;
use crate::dataset::state::{Covered, Order};
use crate::error::{Error, Kind, Result};
use crate::walk::{Goal, Verdict};
use crate::words::range::{Kept, Range};
use crate::words::timestamp;

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// `export`: back to the fence where that can be, else everything.
    Export {
        /// `--full`: the whole list, whatever earlier runs have covered.
        full: bool,
        /// `--meeting-id`: the ids of the only meetings to read, a walk each; all meetings where there are none.
        meetings: Vec<String>,
    },
    /// `backfill`: sessions that started in a range.
    Backfill {
        /// The first start that is in the range, and the first that is no longer.
        range: Range,
        /// `--meeting-id`: the ids of the only meetings to read, a walk each; all meetings where there are none.
        meetings: Vec<String>,
    },
}

impl Work {
    /// Whether it is about all meetings at all times.
    pub const fn is_of_all(&self) -> bool {
        matches!(self, Self::Export { meetings, .. } if meetings.is_empty())
    }
}

/// What a run covers, once the state of the dataset and the settings have been asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// How far each walk must read, down from the head of the list.
    pub goal: Goal,
    /// What the server is asked for, a walk each: the whole list, a meeting, a range, or both.
    pub filters: Vec<Filter>,
    /// Which sessions get rows, by their starts.
    pub kept: Kept,
    /// The same goal as the receipt tells it, with times in RFC 3339.
    pub shown: receipt::Goal,
    /// Whether the run may move the fence.
    pub moves_fence: bool,
}

/// One walk of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leg {
    /// The walk's place among those of the run, from 0.
    pub number: usize,
    /// What the server is asked for.
    pub filter: Filter,
    /// What of it the walk must cover.
    pub goal: Goal,
    /// Which sessions get rows, by their starts.
    pub kept: Kept,
    /// It searches without the server's filter for dates what this walk may have missed by it.
    pub instead_of: Option<usize>,
}

/// The floor under every goal: sessions that started before it get no rows. Where there are several, the highest counts.
pub fn floor(floors: &[Option<i64>]) -> Option<i64> {
    floors.iter().copied().flatten().max()
}

impl Chosen {
    /// What must be the same for a stopped run to be continued.
    pub fn key(&self) -> String {
        let receipt::Goal { kind, from, to, since, meeting_ids, why: _ } = &self.shown;
        format!("{kind} {from:?} {to:?} {since:?} {meeting_ids:?}")
    }

    /// The walks in their order. Behind each whose server filters by date stands a search without that filter.
    pub fn legs(&self) -> Vec<Leg> {
        let kept = self.kept;
        let leg = |filter: &Filter, goal| Leg { number: 0, filter: filter.clone(), goal, kept, instead_of: None };
        let mut legs: Vec<_> = self.filters.iter().map(|filter| leg(filter, self.goal)).collect();
        if let Some(Range { from, to }) = kept.range {
            let filtered = self.filters.iter().enumerate().filter(|(_, filter)| filter.range.is_some());
            let goal = Goal::Range { from, to };
            legs.extend(filtered.map(|(number, filter)| Leg {
                instead_of: Some(number),
                ..leg(&Filter { range: None, ..filter.clone() }, goal)
            }));
        }
        legs.iter_mut().enumerate().for_each(|(number, leg)| leg.number = number);
        legs
    }

    /// What the dataset covers after this run; nothing new where the list was empty. `asked_at`: when the oldest of its
    /// responses was asked for, in microseconds; what was listed later is not covered.
    pub fn covered(&self, verdict: &Verdict, before: Option<&Covered>, asked_at: i64) -> Option<Covered> {
        let Some(newest) = verdict.newest else { return before.cloned() };
        let full_at = before.filter(|_| self.is_night()).and_then(Covered::full_at).unwrap_or(asked_at);
        // A night adds to the last full walk; another full walk takes its place.
        let disproof = before.filter(|_| self.is_night()).and_then(Covered::disproof);
        let order = verdict.order.map(Order::of);
        let covered = Covered::new(newest.min(asked_at), full_at, order).counted_from(verdict.base);
        Some(covered.down_to(self.kept.since).disproven_by(disproof))
    }

    const fn is_night(&self) -> bool {
        matches!(self.goal, Goal::Nightly { .. })
    }

    /// Why another full walk is due where a run has met so many sessions that should have been known. A full walk that
    /// meets them has made up for it.
    pub fn disproof(&self, late: u64) -> Option<String> {
        let Goal::Nightly { down_to } = self.goal else { return None };
        let (down_to, noun) = (timestamp::text(down_to), if late == 1 { "session" } else { "sessions" });
        let what = format!("{late} {noun} that started before {down_to} had not been listed to any run");
        (late > 0).then(|| format!("a full walk is due: {what}"))
    }

    /// What started in it nightly runs should have found: what a full walk finds there was missed. `now` in microseconds:
    /// nothing that starts later can be settled, whatever is written down.
    pub fn settled(&self, covered: Option<&Covered>, lookback: Duration, now: i64) -> Option<Settled> {
        let is_sorted = |covered: &&Covered| covered.order().is_some_and(Order::can_be_searched);
        let covered = covered.filter(|_| self.moves_fence).filter(is_sorted)?;
        Some(covered.since().unwrap_or(i64::MIN)..covered.fence()?.min(now).saturating_sub(micros(lookback)))
    }

    /// Where known sessions must have been listed, if a proven walk can tell.
    pub fn span(&self, verdict: &Verdict) -> Option<Span> {
        if self.filters.iter().any(|filter| filter.meeting.is_some()) {
            return None;
        }
        let lowest = self.kept.since.unwrap_or(i64::MIN);
        Some(match (self.kept.range, self.goal) {
            (Some(Range { from, to }), _) => Span { from, to },
            // A night through a list of another order stops where sessions may have started later.
            (None, Goal::Nightly { .. }) if !verdict.order.map(Order::of).is_some_and(Order::can_be_searched) => {
                Span { from: i64::MAX, to: i64::MAX }
            }
            (None, Goal::Nightly { down_to }) => Span { from: down_to, to: i64::MAX },
            // What is older than the list's end has expired.
            (None, _) => Span { from: verdict.oldest.unwrap_or(i64::MIN).max(lowest), to: i64::MAX },
        })
    }

    /// Which of the sessions that are owed it asks for.
    pub const fn dues(&self) -> Dues {
        match (self.moves_fence, self.is_night()) {
            (false, _) => Dues::Covered,
            (true, true) => Dues::Reachable,
            (true, false) => Dues::All,
        }
    }

    /// Whether a running session with this start is asked for where the walk did not return it. Full walks look for all.
    pub fn looks_for(&self, start: Option<i64>, now: i64, ledger_max_age: Duration) -> bool {
        let is_young = |start: i64| start >= now.saturating_sub(micros(ledger_max_age));
        let is_due = !self.is_night() || start.is_some_and(is_young);
        self.moves_fence && is_due && self.kept.has(start)
    }
}

/// Decides, from what is asked for and what earlier runs covered. `floor`: as from [`floor`]; `now` in microseconds.
///
/// # Errors
/// `Config` where a range lies below the floor.
pub fn choose(work: &Work, covered: Option<&Covered>, floor: Option<i64>, config: &Config, now: i64) -> Result<Chosen> {
    match work {
        Work::Backfill { range, meetings } => {
            Ok(backfill(above(*range, floor)?, meetings, floor, covered, config.api.version))
        }
        Work::Export { full, meetings } => Ok(export(*full, meetings, covered, floor, config, now)),
    }
}

fn export(
    full: bool,
    meetings: &[String],
    covered: Option<&Covered>,
    floor: Option<i64>,
    config: &Config,
    now: i64,
) -> Chosen {
    // Only where a walk of the whole list has found it newest first is nothing wanted below the floor: the head of another
    // list may look like it.
    let has_a_floor = covered.and_then(Covered::order).is_some_and(Order::has_a_floor);
    let all = floor.filter(|_| has_a_floor).map_or(Goal::Full, |from| Goal::Since { from });
    let (goal, why) = if full {
        (all, None)
    } else if meetings.is_empty() {
        match nightly(covered, floor, config, now) {
            Ok(down_to) => (Goal::Nightly { down_to }, None),
            Err(why) => (all, Some(why)),
        }
    } else {
        (all, Some("the list of one meeting is read whole".to_owned()))
    };
    let since = floor.map(timestamp::text);
    let (kind, from) = match goal {
        Goal::Nightly { down_to } => ("nightly", Some(timestamp::text(down_to))),
        _ => ("full", since.clone()),
    };
    Chosen {
        goal,
        filters: filters(meetings, None),
        kept: Kept { range: None, since: floor },
        shown: receipt::Goal { kind, from, to: None, since, meeting_ids: meetings.to_vec(), why },
        moves_fence: meetings.is_empty(),
    }
}

/// The part of a range that is not below the floor.
fn above(range: Range, floor: Option<i64>) -> Result<Range> {
    let from = floor.map_or(range.from, |floor| floor.max(range.from));
    if from < range.to {
        return Ok(Range { from, ..range });
    }
    let floor = timestamp::text(from);
    let what = format!("the range is empty: {} lies before {floor}, and nothing older is kept", range.text());
    Err(Error::new(Kind::Config, what).hint("give a range after that time, or set `dataset.since` to an earlier one"))
}

fn backfill(
    range: Range,
    meetings: &[String],
    floor: Option<i64>,
    covered: Option<&Covered>,
    version: ApiVersion,
) -> Chosen {
    let Range { from, to } = range;
    let (goal, server, why) = match (version, covered.map(Covered::order)) {
        // The server's own filter, wider by a day: whether its bounds belong to it, in which zone it reads dates, and whether
        // it wants sessions that lie in it as a whole is not documented.
        (ApiVersion::V2, _) => {
            (Goal::Full, Some(Range { from: from.saturating_sub(DAY), to: to.saturating_add(DAY) }), None)
        }
        (ApiVersion::V1, Some(Some(order))) if !order.can_be_searched() && order.has_a_floor() => {
            (Goal::Since { from }, None, Some("read from the head: the list is sorted by end"))
        }
        (ApiVersion::V1, Some(Some(order))) if order.can_be_searched() => {
            (Goal::Range { from, to }, None, Some("searched, by the order that the last full walk has found"))
        }
        (ApiVersion::V1, Some(_)) => (Goal::Full, None, Some("the list is not known to be newest first")),
        (ApiVersion::V1, None) => (
            Goal::Range { from, to },
            None,
            Some("searched, by the order of what was read: no full walk has checked it"),
        ),
    };
    let shown = receipt::Goal {
        kind: "range",
        from: Some(timestamp::text(from)),
        to: Some(timestamp::text(to)),
        since: floor.map(timestamp::text),
        meeting_ids: meetings.to_vec(),
        why: why.map(str::to_owned),
    };
    let kept = Kept { range: Some(range), since: floor };
    Chosen { goal, filters: filters(meetings, server), kept, shown, moves_fence: false }
}

/// A day in microseconds.
const DAY: i64 = 86_400_000_000;

fn filters(meetings: &[String], range: Option<Range>) -> Vec<Filter> {
    if meetings.is_empty() {
        return vec![Filter { meeting: None, range }];
    }
    let mut meetings = meetings.to_vec();
    meetings.sort();
    meetings.dedup();
    meetings.into_iter().map(|meeting| Filter { meeting: Some(meeting), range }).collect()
}

/// Why the next night would read the whole list; `None` where it would not. `floor`: as from [`floor`]; `now` in microseconds.
pub fn why_full(covered: Option<&Covered>, floor: Option<i64>, config: &Config, now: i64) -> Option<String> {
    nightly(covered, floor, config, now).err()
}

/// How far a nightly run goes back, or what speaks for everything.
fn nightly(covered: Option<&Covered>, floor: Option<i64>, config: &Config, now: i64) -> Result<i64, String> {
    const NOTHING: &str = "nothing was covered before";
    let covered = covered.ok_or(NOTHING)?;
    let (fence, full_at) = covered.fence().zip(covered.full_at()).ok_or(NOTHING)?;
    if !covered.order().is_some_and(Order::has_nights) {
        return Err("the list is not known to be newest first".to_owned());
    }
    if floor < covered.since() {
        return Err("earlier runs left out what is older than `dataset.since` was then".to_owned());
    }
    // Not a matter of age, so walk.full_every = 0 does not hold it back.
    if let Some(what) = covered.disproof() {
        return Err(what.to_owned());
    }
    // A night that begins above everything would read nothing, for good.
    if fence > now {
        return Err("what is settled lies in the future by this machine's clock".to_owned());
    }
    let every = config.walk.full_every;
    // A last full walk in the future is a slip of a clock.
    if !every.is_zero() && !(0..micros(every)).contains(&now.saturating_sub(full_at)) {
        return Err("the last full walk is older than walk.full_every".to_owned());
    }
    let down_to = fence.saturating_sub(micros(config.walk.lookback));
    if floor.is_some_and(|floor| floor >= down_to) {
        return Err("`dataset.since` lies above what a nightly run would read".to_owned());
    }
    Ok(down_to)
}

/// A duration in whole microseconds, `i64::MAX` at most.
pub fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, resolve};
    use crate::walk::{Found, Key};

    /// The present in these tests, in days since 1970.
    const NOW: i64 = 100;

    fn chosen(full: bool, covered: Option<&Covered>, floor: Option<i64>) -> Chosen {
        let config = resolve(None, None, &Environment::new([]).unwrap(), Vec::new()).unwrap().config;
        let work = Work::Export { full, meetings: Vec::new() };
        choose(&work, covered, floor.map(|day| day * DAY), &config, NOW * DAY).unwrap()
    }

    fn newest_first() -> Order {
        Order::of(Found { key: Key::Start, descending: true, grows_at_the_head: true, slack: 0 })
    }

    /// Covered up to yesterday by nights, by a full walk this many days ago.
    fn covered(full: i64) -> Covered {
        Covered::new(99 * DAY, (NOW - full) * DAY, Some(newest_first()))
    }

    #[test]
    fn the_highest_floor_counts() {
        assert_eq!(floor(&[None, None]), None);
        assert_eq!(floor(&[Some(3), None, Some(5)]), Some(5));
    }

    #[test]
    fn nights_go_back_to_the_fence_less_the_lookback() {
        assert_eq!(chosen(false, Some(&covered(2)), None).goal, Goal::Nightly { down_to: 96 * DAY });
        assert_eq!(chosen(false, None, None).goal, Goal::Full);
        assert_eq!(chosen(true, Some(&covered(2)), None).goal, Goal::Full);
    }

    #[test]
    fn a_full_walk_is_due_after_a_week_and_after_a_slip_of_the_clock() {
        for (days, why) in [(7, true), (6, false), (-1, true)] {
            let chosen = chosen(false, Some(&covered(days)), None);
            assert_eq!(chosen.goal == Goal::Full, why, "{days}");
            assert_eq!(chosen.shown.why.is_some(), why, "{days}");
        }
    }

    #[test]
    fn a_full_walk_is_due_where_the_last_one_is_disproven() {
        let night = chosen(false, Some(&covered(2)), None);
        assert_eq!((night.disproof(0), chosen(true, None, None).disproof(7)), (None, None));
        let why = night.disproof(2).unwrap();
        assert_eq!(
            why,
            "a full walk is due: 2 sessions that started before 1970-04-07T00:00:00Z had not been listed to any run"
        );
        let disproven = covered(2).disproven_by(Some(&why));
        let next = chosen(false, Some(&disproven), None);
        assert_eq!((next.goal, next.shown.why), (Goal::Full, Some(why)));
    }

    #[test]
    fn a_fence_in_the_future_settles_nothing() {
        for (fence, is_settled) in [(NOW * DAY, true), (NOW * DAY + 1, false), (i64::MAX, false)] {
            let covered = Covered::new(fence, (NOW - 2) * DAY, Some(newest_first()));
            let chosen = chosen(false, Some(&covered), None);
            assert_eq!(chosen.goal == Goal::Full, !is_settled, "{fence}");
            let until = chosen.settled(Some(&covered), Duration::ZERO, NOW * DAY).map(|settled| settled.end);
            assert!(until.is_none_or(|until| until <= NOW * DAY), "{fence}");
        }
    }

    #[test]
    fn a_floor_is_under_every_goal() {
        let kept = |since: i64| Kept { range: None, since: Some(since * DAY) };
        let first = chosen(false, None, Some(40));
        assert_eq!((first.goal, first.kept), (Goal::Full, kept(40)));
        assert_eq!(first.shown.since.as_deref(), Some("1970-02-10T00:00:00Z"));
        let before = covered(2).down_to(Some(40 * DAY));
        // The same floor, or a higher one.
        for floor in [40, 60] {
            let night = chosen(false, Some(&before), Some(floor));
            assert_eq!((night.goal, night.kept), (Goal::Nightly { down_to: 96 * DAY }, kept(floor)));
        }
        // Above what a night reads.
        let all = chosen(false, Some(&before), Some(97));
        assert_eq!((all.goal, all.shown.kind), (Goal::Since { from: 97 * DAY }, "full"));
        // What a higher floor left out is made up for.
        assert_eq!(chosen(false, Some(&before), Some(30)).goal, Goal::Since { from: 30 * DAY });
        assert_eq!(chosen(false, Some(&before), None).goal, Goal::Full);
        // In a list that is not newest first nothing can be told from where it lies.
        let unsorted = Covered::new(99 * DAY, 99 * DAY, None);
        assert_eq!(chosen(true, Some(&unsorted), Some(40)).goal, Goal::Full);
        assert!(
            !all.looks_for(Some(96 * DAY), NOW * DAY, Duration::MAX) && all.looks_for(None, NOW * DAY, Duration::MAX)
        );
    }

    #[test]
    fn ranges_are_cut_at_the_floor_and_refused_below() {
        let config = resolve(None, None, &Environment::new([]).unwrap(), Vec::new()).unwrap().config;
        let choose = |from: i64, to: i64| {
            let range = Range { from: from * DAY, to: to * DAY };
            choose(&Work::Backfill { range, meetings: Vec::new() }, None, Some(40 * DAY), &config, NOW * DAY)
        };
        let cut = choose(30, 50).unwrap();
        assert_eq!(cut.goal, Goal::Range { from: 40 * DAY, to: 50 * DAY });
        assert_eq!(cut.shown.from.as_deref(), Some("1970-02-10T00:00:00Z"));
        for to in [39, 40] {
            let error = choose(30, to).unwrap_err();
            assert_eq!(error.kind(), Kind::Config);
            assert!(error.to_string().starts_with("the range is empty: "), "{error}");
        }
    }
}
