//! Spans of time: what several of them cover together, and how many people are there at once.

use std::collections::BTreeMap;

/// A span of time, the end not included; its end is `None` while somebody is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: i64,
    pub(super) to: Option<i64>,
}

impl Span {
    /// Its length; 0 for one that is empty, backwards or without an end.
    pub(super) fn length(self) -> i64 {
        self.to.map_or(0, |to| (to - self.from).max(0))
    }
}

/// Time covered by at least one of the spans, each of which must have a positive length.
pub(super) fn union(spans: &[Span]) -> i64 {
    let mut open = 0_u32;
    let mut covered = 0;
    let boundaries = boundaries(spans.iter().map(|span| ((), *span)));
    for (index, (moment, comes, ())) in boundaries.iter().enumerate() {
        if *comes {
            open += 1;
        } else {
            open -= 1;
        }
        // Time passes up to the next boundary; at the last one everybody has left.
        if let (true, Some((next, ..))) = (open > 0, boundaries.get(index + 1)) {
            covered += next - moment;
        }
    }
    covered
}

/// The most people at one moment, each of whom may be there by several spans at once.
pub(super) fn peak(spans: impl Iterator<Item = (usize, Span)>) -> usize {
    let mut there: BTreeMap<usize, u32> = BTreeMap::new();
    let mut most = 0;
    for (_, comes, person) in boundaries(spans) {
        let count = there.entry(person).or_default();
        if comes {
            *count += 1;
        } else {
            *count -= 1;
        }
        if *count == 0 {
            there.remove(&person);
        }
        most = most.max(there.len());
    }
    most
}

/// Every coming (true) and going, in the order of time; who goes at a moment is gone before another one comes.
fn boundaries<P: Ord + Copy>(spans: impl Iterator<Item = (P, Span)>) -> Vec<(i64, bool, P)> {
    let mut boundaries: Vec<(i64, bool, P)> = Vec::new();
    for (person, Span { from, to }) in spans {
        boundaries.push((from, true, person));
        boundaries.extend(to.map(|to| (to, false, person)));
    }
    boundaries.sort();
    boundaries
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn span(from: i64, to: i64) -> Span {
        Span { from, to: Some(to) }
    }

    #[test]
    fn time_is_counted_once() {
        assert_eq!(union(&[]), 0);
        assert_eq!(union(&[span(0, 10), span(20, 25)]), 15);
        assert_eq!(union(&[span(0, 10), span(5, 25), span(6, 7), span(25, 30)]), 30);
    }

    #[test]
    fn people_are_counted_once() {
        assert_eq!(peak([].into_iter()), 0);
        assert_eq!(peak([(1, span(0, 10)), (2, span(10, 20))].into_iter()), 1);
        assert_eq!(peak([(1, span(0, 10)), (1, span(5, 20)), (2, span(12, 13))].into_iter()), 2);
        assert_eq!(peak([(1, Span { from: 0, to: None }), (2, span(90, 99))].into_iter()), 2);
    }
}
