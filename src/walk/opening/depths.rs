//! How far a list goes that names no total: pages at positions far apart, and one far behind any end.

use crate::list::{Listed, Outcome};
use crate::walk::base::Word;

/// Positions that are looked at, each far behind the one before, so that no page is at two of them.
pub(super) const POSITIONS: [u64; 7] = [1_000, 4_000, 16_000, 64_000, 256_000, 1_000_000, 4_000_000];

/// What pages far behind the first one have shown.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::walk) struct Depths {
    /// What the page far behind any end brought.
    far: Option<Word>,
    /// The deepest position that holds sessions.
    holds: Option<u64>,
    /// The length of the list at most; 0 where it has no end.
    most: Option<u64>,
}

/// What a page behind one of the positions brought.
enum There {
    Sessions,
    Nothing,
    /// No answer, or one that is known from another position.
    Unknown,
}

impl Depths {
    /// From the answers at some of [`POSITIONS`], in order, and from the one far behind any end. `first`: the first page.
    pub(super) fn of(first: &[Listed], positions: &[(u64, &Outcome)], far: Option<&Outcome>) -> Self {
        let rows = |outcome: &Outcome| if let Outcome::Page { rows, .. } = outcome { rows.clone() } else { Vec::new() };
        let pages: Vec<Vec<Listed>> = positions.iter().map(|(_, outcome)| *outcome).chain(far).map(rows).collect();
        let is_known = |number: usize, row: &Listed| {
            let others =
                pages.iter().enumerate().filter(|(other, _)| *other != number).map(|(_, rows)| rows.as_slice());
            others.chain([first]).any(|rows| rows.iter().any(|other| other.id == row.id))
        };
        let there = |number: usize, outcome: &Outcome| match &pages[number] {
            rows if rows.is_empty() && Word::of(outcome) == Some(Word::Nothing) => There::Nothing,
            rows if rows.is_empty() || rows.iter().any(|row| is_known(number, row)) => There::Unknown,
            _ => There::Sessions,
        };
        let mut depths = Self { far: far.and_then(|outcome| Word::behind(outcome, first)), holds: None, most: None };
        if far.is_some_and(|outcome| matches!(there(positions.len(), outcome), There::Sessions)) {
            depths.most = Some(0);
            return depths;
        }
        for (number, (position, outcome)) in positions.iter().enumerate() {
            match there(number, outcome) {
                There::Sessions => (depths.holds, depths.most) = (Some(*position), None),
                There::Nothing => depths.most = depths.most.or(Some(*position)),
                There::Unknown => depths.most = None,
            }
        }
        depths
    }

    /// What the page far behind any end brought, where it was no page of the list.
    pub(in crate::walk) const fn far(&self) -> Option<Word> {
        self.far
    }

    /// A position at or behind `reach` that holds sessions.
    pub(in crate::walk) fn beyond(&self, reach: u64) -> Option<u64> {
        self.holds.filter(|position| *position >= reach)
    }

    /// The length of the list at most; 0 where it has no end.
    pub(in crate::walk) const fn most(&self) -> Option<u64> {
        self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::PageInfo;

    fn page(ids: std::ops::Range<u128>) -> Outcome {
        let rows = ids.map(|id| Listed { id, ..Listed::default() }).collect();
        Outcome::Page { info: PageInfo::default(), rows, unusable: 0, at: None }
    }

    fn seen(at: &[Outcome; 3], far: &Outcome) -> (Option<u64>, Option<u64>) {
        let Outcome::Page { rows: first, .. } = page(0..10) else { unreachable!() };
        let positions: Vec<_> = POSITIONS.into_iter().zip(at).collect();
        let depths = Depths::of(&first, &positions, Some(far));
        (depths.holds, depths.most)
    }

    #[test]
    fn the_deepest_sessions_and_the_nothing_behind_them_are_told() {
        let (nothing, silent) = (Outcome::Nothing { status: 404 }, Outcome::Silent(crate::list::Silence::Late));
        let none = || page(0..0);
        assert_eq!(seen(&[none(), none(), none()], &none()), (None, Some(1_000)));
        assert_eq!(seen(&[page(20..30), nothing.clone(), none()], &none()), (Some(1_000), Some(4_000)));
        // Nothing in the midst of the list.
        assert_eq!(seen(&[none(), page(20..30), none()], &none()), (Some(4_000), Some(16_000)));
        assert_eq!(seen(&[page(20..30), silent.clone(), silent], &none()), (Some(1_000), None));
        // The first or the last page again.
        assert_eq!(seen(&[page(0..10), page(0..10), page(0..10)], &page(0..10)), (None, None));
        assert_eq!(seen(&[page(50..60), page(50..60), page(50..60)], &page(50..60)), (None, None));
        // A list without an end.
        assert_eq!(seen(&[page(20..30), page(30..40), page(40..50)], &page(60..70)), (None, Some(0)));
    }
}
