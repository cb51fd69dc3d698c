//! When a participant joined next, which is when an earlier join ended that nobody closed.
//!
//! Who joins with an id that is present ends the earlier join; the API then may leave that one without an end. Pure.

use super::Log;

/// The joins of one session by participant, `P` being what tells two participants apart. Keeps its space from one
/// session to the next.
#[derive(Debug, Default)]
pub struct Joins<P> {
    starts: Vec<(P, i64)>,
}

impl<P: Ord + Copy> Joins<P> {
    /// Takes the timelogs of a session, in place of those of another one. A join that can't be read is none, nor is a
    /// timelog that ends before it starts.
    pub fn gather(&mut self, logs: impl IntoIterator<Item = (P, Log)>) {
        self.starts.clear();
        let is_join = |log: &Log| log.end.is_none_or(|end| log.start <= Some(end));
        let logs = logs.into_iter().filter(|(_, log)| is_join(log));
        self.starts.extend(logs.filter_map(|(participant, log)| Some((participant, log.start?))));
        self.starts.sort_unstable();
    }

    /// The first join of a participant that is strictly later than a start; any is later than a start that is not known.
    pub fn after(&self, participant: P, start: Option<i64>) -> Option<i64> {
        let next = self.starts.partition_point(|(who, when)| (*who, Some(*when)) <= (participant, start));
        self.starts.get(next).filter(|(who, _)| *who == participant).map(|(_, when)| *when)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Bounds, Span, count};
    use super::*;

    /// Few participants and moments, so that they meet.
    fn logs() -> impl Strategy<Value = Vec<(u8, Log)>> {
        let moment = || prop::option::weighted(0.9, 0..12_i64);
        let log = (0..3_u8, moment(), moment(), any::<bool>())
            .prop_map(|(who, start, end, is_open)| (who, Log { start, end: end.filter(|_| !is_open), is_open }));
        prop::collection::vec(log, 0..9)
    }

    /// The span of an open timelog and whether its participant is present, looked for in all timelogs, each time.
    fn naive(session: Bounds, logs: &[(u8, Log)], (who, log): (u8, Log)) -> (Option<(i64, i64)>, bool) {
        let mut next: Option<i64> = None;
        let mut is_latest = true;
        for (other, Log { start, end, .. }) in logs {
            let Some(joined) = *start else { continue };
            if *other != who || end.is_some_and(|end| end < joined) || log.start.is_some_and(|start| joined <= start) {
                continue;
            }
            is_latest = false;
            if next.is_none_or(|next| joined < next) {
                next = Some(joined);
            }
        }
        if session.is_open && is_latest {
            return (None, true);
        }
        let Some(start) = log.start else { return (None, false) };
        let end = match (session.end, next) {
            (Some(end), Some(next)) if next < end => next,
            (Some(end), _) => end,
            (None, Some(next)) => next,
            (None, None) => return (None, false),
        };
        if end < start { (None, false) } else { (Some((start, end)), false) }
    }

    #[test]
    fn the_next_join_is_strictly_later_and_of_the_same_participant() {
        let log = |start, end: Option<i64>| Log { start, end, is_open: end.is_none() };
        let mut joins = Joins::default();
        let listed =
            [(1, Some(5), None), (1, Some(5), Some(9)), (2, Some(6), None), (1, Some(8), Some(7)), (1, None, Some(9))];
        joins.gather(listed.map(|(who, start, end)| (who, log(start, end))));
        assert_eq!((joins.after(1, Some(5)), joins.after(1, Some(4)), joins.after(1, None)), (None, Some(5), Some(5)));
        assert_eq!((joins.after(2, Some(5)), joins.after(3, None)), (Some(6), None));
        joins.gather([]);
        assert_eq!(joins.after(1, Some(4)), None);
    }

    proptest! {
        #[test]
        fn open_timelogs_count_as_a_look_at_all_others_says(
            logs in logs(), start in prop::option::of(0..6_i64), end in prop::option::of(4..12_i64), runs in any::<bool>(),
        ) {
            let session = Bounds { start, end: end.filter(|_| !runs), is_open: runs };
            let mut joins = Joins::default();
            joins.gather(logs.iter().copied());
            for (who, log) in logs.iter().copied().filter(|(_, log)| log.is_open) {
                let counted = count(session, log, joins.after(who, log.start));
                let raw = counted.raw.map(|Span { start, end }| (start, end));
                prop_assert_eq!((raw, counted.is_present), naive(session, &logs, (who, log)), "{:?}", log);
                let effective = counted.raw.and_then(|raw| session.clamp(raw)).filter(|span| span.length() > 0);
                prop_assert_eq!(counted.effective, effective);
            }
        }
    }
}
