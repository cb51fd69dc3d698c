//! Attendance: the algebra of half-open intervals, and what of a timelog counts.
//!
//! Pure. Times are microseconds since 1970, UTC. Nothing is ever computed with "now".
//! The rules are those of the tables' contract; each is named where it is applied.

mod joins;

use crate::rows::anomaly::{Anomalies, Anomaly};
pub use joins::Joins;

/// A half-open interval `[start, end)` with `start <= end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// First moment in it.
    pub start: i64,
    /// First moment after it.
    pub end: i64,
}

impl Span {
    /// The end of a span that has not ended.
    pub const FOREVER: i64 = i64::MAX;

    /// Its length in microseconds.
    pub const fn length(self) -> i64 {
        self.end.saturating_sub(self.start)
    }
}

/// The session as far as attendance needs to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// When the session began, in microseconds since 1970, UTC; `None` where the start is missing or can't be read.
    pub start: Option<i64>,
    /// When the session ended; `None` while the session runs, and where the end is missing or can't be read.
    pub end: Option<i64>,
    /// Whether the session still runs; a session whose end can't be read does not.
    pub is_open: bool,
}

impl Bounds {
    /// Whether the session ends before it starts; its end then clamps nothing.
    pub fn is_backwards(self) -> bool {
        matches!((self.start, self.end), (Some(start), Some(end)) if end < start)
    }

    /// The part of a span inside the session; `None` where nothing of it is. A missing side does not clamp.
    pub fn clamp(self, span: Span) -> Option<Span> {
        let start = self.start.map_or(span.start, |bound| span.start.max(bound));
        let end = match self.end {
            Some(bound) if !self.is_backwards() => span.end.min(bound),
            _ => span.end,
        };
        // A moment counts as itself; an interval of which only a moment is left does not.
        (start < end || start == end && span.length() == 0).then_some(Span { start, end })
    }
}

/// One timelog as listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// The join, if it can be read.
    pub start: Option<i64>,
    /// The leave, if it can be read.
    pub end: Option<i64>,
    /// No leave is listed; an unreadable one is not open.
    pub is_open: bool,
}

/// What one timelog counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// The span as listed, an open end filled with the participant's next join or the session's end.
    pub raw: Option<Span>,
    /// Its part inside the session.
    pub effective: Option<Span>,
    /// Since when the participant is present: the open timelog of the latest join, in a running session.
    pub present_since: Option<i64>,
    /// The join of that timelog as listed.
    pub joined_at: Option<i64>,
    /// Whether the participant is present; true without a start, too.
    pub is_present: bool,
    /// What is odd about the timelog, such as [`Anomaly::EndBeforeStart`].
    pub anomalies: Anomalies,
}

/// Applies the rules for one timelog. `next_join`: when its participant joined next ([`Joins::after`]); it matters for an
/// open timelog only.
pub fn count(session: Bounds, Log { start, end, is_open }: Log, next_join: Option<i64>) -> Counted {
    let mut counted = Counted {
        raw: None,
        effective: None,
        present_since: None,
        joined_at: None,
        is_present: is_open && session.is_open && next_join.is_none(),
        anomalies: Anomalies::NONE,
    };
    if is_open && !session.is_open {
        counted.anomalies.add(Anomaly::OpenInEndedSession);
    }
    let Some(start) = start else {
        counted.anomalies.add(Anomaly::NoStart);
        return counted;
    };
    let end = match (is_open, session.is_open, next_join) {
        (true, true, None) => {
            counted.joined_at = Some(start);
            counted.present_since = Some(session.start.map_or(start, |bound| start.max(bound)));
            return counted;
        }
        (true, true, Some(next)) => {
            counted.anomalies.add(Anomaly::LeftOpen);
            Some(next)
        }
        // Nothing if it starts after the session's end, or if neither is known.
        (true, false, next) => match session.end {
            Some(bound) => (start <= bound).then(|| next.map_or(bound, |next| next.min(bound))),
            None => next,
        },
        (false, ..) => {
            if end.is_some_and(|end| end < start) {
                counted.anomalies.add(Anomaly::EndBeforeStart);
            }
            end.filter(|&end| start <= end)
        }
    };
    let Some(end) = end else { return counted };
    let raw = Span { start, end };
    counted.raw = Some(raw);
    let clamped = session.clamp(raw);
    if clamped != counted.raw {
        counted.anomalies.add(Anomaly::OutsideSession);
    }
    // A moment counts for nothing, though it shows that someone was there.
    counted.effective = clamped.filter(|span| span.length() > 0);
    counted
}

/// What the timelogs of one entry add up to where overlaps make no difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// The earliest join, not clamped.
    pub first_joined: Option<i64>,
    /// The summed length, not clamped, in microseconds.
    pub gross: i64,
    /// Whether the participant is present.
    pub is_present: bool,
    last_left: Option<i64>,
}

impl Totals {
    /// Adds what one timelog of the entry counts for.
    pub fn add(&mut self, counted: &Counted) {
        let joined = counted.raw.map(|span| span.start).or(counted.joined_at);
        self.first_joined = earlier(self.first_joined, joined);
        if let Some(span) = counted.raw {
            self.gross = self.gross.saturating_add(span.length());
            self.last_left = self.last_left.max(Some(span.end));
        }
        self.is_present |= counted.is_present;
    }

    /// The latest leave, not clamped; `None` while present.
    pub fn last_left(&self) -> Option<i64> {
        self.last_left.filter(|_| !self.is_present)
    }
}

/// The earlier of two moments; one alone is the earlier.
pub fn earlier(a: Option<i64>, b: Option<i64>) -> Option<i64> {
    a.into_iter().chain(b).min()
}

/// Sorts spans and joins those that touch or overlap, in place. Says whether any two shared time.
pub fn unite(spans: &mut Vec<Span>) -> bool {
    if spans.len() < 2 {
        return false;
    }
    spans.sort_unstable();
    let mut overlap = false;
    let mut kept = 0;
    for index in 0..spans.len() {
        let span = spans[index];
        if kept > 0 && span.start <= spans[kept - 1].end {
            let last = &mut spans[kept - 1];
            overlap |= span.start < last.end && span.start < span.end && last.start < last.end;
            last.end = last.end.max(span.end);
        } else {
            spans[kept] = span;
            kept += 1;
        }
    }
    spans.truncate(kept);
    overlap
}

/// The summed length of spans, in microseconds.
pub fn length(spans: &[Span]) -> i64 {
    spans.iter().fold(0, |sum, span| sum.saturating_add(span.length()))
}

/// Moments to sort, kept for the next session.
#[derive(Debug, Default)]
pub struct Moments {
    starts: Vec<i64>,
    ends: Vec<i64>,
}

/// What spans come to together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// The time in at least one of them, in microseconds; of no use where one has not ended.
    pub covered: i64,
    /// The most spans that hold one and the same moment: with a span a person, the peak.
    pub most: i32,
}

/// Passes over spans in time order. Spans without length don't count; one that has not ended ends at [`Span::FOREVER`].
pub fn sweep(spans: &[Span], moments: &mut Moments) -> Swept {
    let Moments { starts, ends } = moments;
    starts.clear();
    ends.clear();
    for span in spans.iter().filter(|span| span.start < span.end) {
        starts.push(span.start);
        ends.push(span.end);
    }
    // Which end belongs to which start makes no difference.
    starts.sort_unstable();
    ends.sort_unstable();
    let (mut left, mut most, mut covered) = (0, 0, 0_i64);
    let mut since = starts.first().copied().unwrap_or_default();
    for (came, start) in starts.iter().enumerate() {
        // At one moment those who leave go first: the intervals are half-open.
        while ends[left] <= *start {
            left += 1;
        }
        if left == came && came > 0 {
            covered = covered.saturating_add(ends[came - 1].saturating_sub(since));
            since = *start;
        }
        most = most.max(came + 1 - left);
    }
    let until = ends.last().copied().unwrap_or_default();
    Swept {
        covered: covered.saturating_add(until.saturating_sub(since)),
        most: i32::try_from(most).unwrap_or(i32::MAX),
    }
}

/// How long something took, in milliseconds; `None` where an end is not known or comes before the start.
pub fn duration(start: Option<i64>, end: Option<i64>) -> Option<i64> {
    start.zip(end).filter(|(start, end)| start <= end).map(|(start, end)| millis(end.saturating_sub(start)))
}

/// Floors microseconds to milliseconds.
pub const fn millis(micros: i64) -> i64 {
    micros.div_euclid(1000)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn span(start: i64, end: i64) -> Span {
        Span { start, end }
    }

    fn united(spans: &[Span]) -> Vec<Span> {
        let mut spans = spans.to_vec();
        unite(&mut spans);
        spans
    }

    const ENDED: Bounds = Bounds { start: Some(100), end: Some(200), is_open: false };
    const RUNNING: Bounds = Bounds { start: Some(100), end: None, is_open: true };

    /// A timelog whose participant does not join again.
    fn count_alone(session: Bounds, start: Option<i64>, end: Option<i64>, is_open: bool) -> Counted {
        count(session, Log { start, end, is_open }, None)
    }

    #[test]
    fn an_open_timelog_ends_with_the_next_join() {
        let open = |session, start, next| count(session, Log { start, end: None, is_open: true }, next);
        let within = open(ENDED, Some(110), Some(150));
        assert_eq!((within.raw, within.effective), (Some(span(110, 150)), Some(span(110, 150))));
        assert_eq!(within.anomalies.iter().collect::<Vec<_>>(), [Anomaly::OpenInEndedSession]);
        // Never beyond the session's end, and nothing behind it.
        assert_eq!(open(ENDED, Some(110), Some(250)).raw, Some(span(110, 200)));
        assert_eq!(open(ENDED, Some(210), Some(250)).raw, None);
        let endless = Bounds { end: None, ..ENDED };
        assert_eq!(open(endless, Some(90), Some(150)).effective, Some(span(100, 150)));
        assert_eq!(open(endless, Some(90), None).raw, None);
        // While the session runs, only the latest join is present.
        let left = open(RUNNING, Some(110), Some(150));
        assert_eq!((left.raw, left.is_present, left.present_since), (Some(span(110, 150)), false, None));
        assert_eq!(left.anomalies.iter().collect::<Vec<_>>(), [Anomaly::LeftOpen]);
        assert!(open(RUNNING, Some(150), None).is_present && open(RUNNING, None, None).is_present);
        assert!(!open(RUNNING, None, Some(150)).is_present);
        // A timelog with an end is what it says.
        let closed = Log { start: Some(110), end: Some(180), is_open: false };
        assert_eq!(count(ENDED, closed, Some(150)).effective, Some(span(110, 180)));
    }

    #[test]
    fn hand_computed_timelogs() {
        let inside = count_alone(ENDED, Some(110), Some(150), false);
        assert_eq!((inside.effective, inside.anomalies), (Some(span(110, 150)), Anomalies::NONE));
        let leaves = count_alone(ENDED, Some(90), Some(250), false);
        assert_eq!((leaves.raw, leaves.effective), (Some(span(90, 250)), Some(span(100, 200))));
        assert!(leaves.anomalies.has(Anomaly::OutsideSession));
        let after = count_alone(ENDED, Some(210), Some(220), false);
        assert_eq!((after.raw, after.effective), (Some(span(210, 220)), None));
        let open = count_alone(ENDED, Some(150), None, true);
        assert_eq!(open.effective, Some(span(150, 200)));
        assert!(open.anomalies.has(Anomaly::OpenInEndedSession));
        assert_eq!(count_alone(ENDED, Some(201), None, true).raw, None);
        assert_eq!(count_alone(RUNNING, Some(90), None, true).present_since, Some(100));
        assert!(count_alone(ENDED, None, Some(150), false).anomalies.has(Anomaly::NoStart));
        let backwards = count_alone(ENDED, Some(150), Some(149), false);
        assert_eq!(backwards.raw, None);
        assert!(backwards.anomalies.has(Anomaly::EndBeforeStart));
        let unreadable = count_alone(ENDED, Some(150), None, false);
        assert_eq!((unreadable.raw, unreadable.anomalies), (None, Anomalies::NONE));
    }

    #[test]
    fn hand_computed_totals() {
        let totals = |session: Bounds, logs: &[(Option<i64>, Option<i64>)]| {
            let mut totals = Totals::default();
            for (start, end) in logs {
                totals.add(&count_alone(session, *start, *end, end.is_none()));
            }
            (totals.first_joined, totals.last_left(), totals.gross, totals.is_present)
        };
        // Neither clamped nor united.
        let logs = [(Some(150), Some(160)), (Some(90), Some(120)), (Some(110), Some(250))];
        assert_eq!(totals(ENDED, &logs), (Some(90), Some(250), 10 + 30 + 140, false));
        assert_eq!(totals(RUNNING, &[(Some(110), Some(120)), (Some(150), None)]), (Some(110), None, 10, true));
        assert_eq!(totals(RUNNING, &[(Some(90), None)]), (Some(90), None, 0, true));
        // Without an end it counts up to the session's, without a start for nothing.
        assert_eq!(totals(ENDED, &[(Some(170), None), (None, Some(300))]), (Some(170), Some(200), 30, false));
        assert_eq!(totals(ENDED, &[]), (None, None, 0, false));
        let ages = [(Some(i64::MIN), Some(i64::MAX)); 3];
        assert_eq!(totals(ENDED, &ages).2, i64::MAX);
        assert_eq!((duration(Some(5_999), Some(9_000)), duration(Some(9_000), Some(5_999))), (Some(3), None));
    }

    #[test]
    fn a_backwards_session_clamps_only_its_start() {
        let session = Bounds { start: Some(100), end: Some(50), is_open: false };
        assert_eq!(count_alone(session, Some(90), Some(300), false).effective, Some(span(100, 300)));
    }

    #[test]
    fn the_most_are_counted_half_open_with_those_present() {
        let most = |spans: &[Span]| sweep(spans, &mut Moments::default()).most;
        assert_eq!(most(&[span(0, 10), span(10, 20)]), 1);
        assert_eq!(most(&[span(0, 10), span(5, 5), span(9, 20)]), 2);
        assert_eq!(most(&[span(0, 10), span(3, Span::FOREVER), span(30, Span::FOREVER)]), 2);
        assert_eq!(most(&[span(-5, Span::FOREVER)]), 1);
        assert_eq!(sweep(&[], &mut Moments::default()), Swept::default());
    }

    #[test]
    fn touching_spans_do_not_overlap() {
        assert!(!unite(&mut vec![span(0, 5), span(5, 9), span(3, 3)]));
        assert!(unite(&mut vec![span(0, 5), span(4, 9)]));
    }

    prop_compose! {
        fn spans()(raw in prop::collection::vec((0i64..60, 0i64..20), 0..12)) -> Vec<Span> {
            raw.into_iter().map(|(start, long)| span(start, start + long)).collect()
        }
    }

    proptest! {
        #[test]
        fn union_is_idempotent_and_order_free(spans in spans()) {
            let once = united(&spans);
            prop_assert_eq!(&united(&once), &once);
            let mut turned = spans;
            turned.reverse();
            prop_assert_eq!(united(&turned), once);
        }

        #[test]
        fn union_is_at_most_the_sum_and_the_hull(spans in spans()) {
            let once = united(&spans);
            prop_assert!(length(&once) <= length(&spans));
            if let (Some(first), Some(last)) = (once.first(), once.last()) {
                prop_assert!(length(&once) <= last.end - first.start);
            }
            let covered = (0..90).filter(|&t| spans.iter().any(|s| s.start <= t && t < s.end)).count();
            prop_assert_eq!(usize::try_from(length(&once)).unwrap(), covered);
        }

        #[test]
        fn clamp_and_union_commute(spans in spans(), start in 0i64..40, long in 0i64..40) {
            let session = Bounds { start: Some(start), end: Some(start + long), is_open: false };
            let clamp = |spans: &[Span]| spans.iter().filter_map(|&s| session.clamp(s)).collect::<Vec<_>>();
            prop_assert_eq!(length(&united(&clamp(&spans))), length(&clamp(&united(&spans))));
        }

        #[test]
        fn what_is_covered_is_the_length_of_the_union(spans in spans()) {
            prop_assert_eq!(sweep(&spans, &mut Moments::default()).covered, length(&united(&spans)));
        }

        #[test]
        fn the_most_are_what_a_count_at_each_moment_finds(
            mut spans in spans(),
            present in prop::collection::vec(0i64..80, 0..4),
        ) {
            spans.extend(present.into_iter().map(|since| span(since, Span::FOREVER)));
            let at = |t: i64| spans.iter().filter(|s| s.start <= t && t < s.end).count();
            let most = (0..100).map(at).max().unwrap();
            prop_assert_eq!(usize::try_from(sweep(&spans, &mut Moments::default()).most).unwrap(), most);
        }
    }
}
