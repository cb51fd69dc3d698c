//! What the server says of the list's length, and how far that can be believed.

use crate::list::PageInfo;

use super::Page;

/// No account has more sessions; a larger total is a slip.
const MOST: u64 = 1 << 40;

/// What the answers of a walk have said of the list's length, and how that changed.
#[derive(Debug, Clone, Default)]
pub struct Totals {
    first: Option<u64>,
    latest: Option<u64>,
    fell: bool,
    missing: bool,
    /// The greatest so far, the lowest since, and by how much it rose from that one at most.
    peak: u64,
    trough: u64,
    rebound: u64,
    /// The first one that was other than the first, whether there were others, and how often one followed another.
    second: Option<u64>,
    has_others: bool,
    changes: u32,
}

/// So many changes between two totals, and no other, are not those of a list.
const TURNS: u32 = 3;

/// A fall and a rise by more than one in so many: no list moves so.
const JUMP: u64 = 100;

/// Falls that lists of any length may have.
const FEW: u64 = 5;

/// Whether a list of this length may have been cut by the server: a round number, or a power of two.
pub fn is_a_usual_cap(length: u64) -> bool {
    let is_round = |length: u64| {
        let tens = length.checked_ilog10().map_or(1, |digits| 10_u64.pow(digits));
        length.is_multiple_of(tens) && matches!(length / tens, 1 | 2 | 5)
    };
    length >= 1_000 && (is_round(length) || length.is_power_of_two() || (length + 1).is_power_of_two())
}

/// The total of an answer where it is positive and agrees with what the answer holds.
pub fn believable(page: &Page) -> Option<u64> {
    believable_at(page, page.window.offset())
}

fn believable_at(page: &Page, offset: u64) -> Option<u64> {
    let total = plausible(page.info)?;
    (total >= offset + page.listed() || page.listed() == 0).then_some(total)
}

/// A total that an account may have.
pub fn plausible(info: PageInfo) -> Option<u64> {
    info.total.and_then(|total| u64::try_from(total).ok()).filter(|total| (1..=MOST).contains(total))
}

impl Totals {
    /// Takes the total of an answer into account, where it has one that can be believed.
    pub fn observe(&mut self, page: &Page) {
        self.observe_at(page, page.window.offset());
    }

    /// The same for one whose rows are not where they were asked for.
    pub fn observe_at(&mut self, page: &Page, offset: u64) {
        let empty = page.listed() == 0 && page.window.offset() == 0 && page.info.total == Some(0);
        let Some(total) = believable_at(page, offset).or(empty.then_some(0)) else {
            self.missing = true;
            // Fewer than there are rows: whatever was said of the list's length is no help.
            if page.listed() > 0 && page.info.total.is_some() {
                self.latest = None;
            }
            return;
        };
        if self.first.is_some_and(|first| first != total) {
            self.has_others |= *self.second.get_or_insert(total) != total;
        }
        self.changes += u32::from(self.latest.is_some_and(|latest| latest != total));
        self.fell |= self.latest.is_some_and(|latest| total < latest);
        self.first.get_or_insert(total);
        self.latest = Some(total);
        if total >= self.peak {
            self.rebound = self.rebound.max(self.peak - self.trough);
            (self.peak, self.trough) = (total, total);
        } else {
            self.trough = self.trough.min(total);
            self.rebound = self.rebound.max(total - self.trough);
        }
    }

    /// The greatest total, where fewer sessions were read and totals went to and fro as no list does: far, or between two
    /// numbers alone. Copies of the list that differ were read by turns. Answers that came at once settle in another order, and a
    /// little may come after the last look.
    pub fn jumped(&self, distinct: u64) -> Option<u64> {
        let far = FEW.max(self.peak / JUMP);
        let is_far = self.rebound > far && distinct + far < self.peak;
        let is_to_and_fro = self.changes >= TURNS && !self.has_others && distinct < self.peak;
        (is_far || is_to_and_fro).then_some(self.peak)
    }

    /// The list's length by the latest answer that can be believed.
    pub const fn latest(&self) -> Option<u64> {
        self.latest
    }

    /// The list's length by the first total that could be believed.
    pub const fn first(&self) -> Option<u64> {
        self.first
    }

    /// The greatest of the first and the latest one.
    pub fn most(&self) -> Option<u64> {
        self.first.max(self.latest)
    }

    /// The one total that every answer gave.
    pub fn constant(&self) -> Option<u64> {
        self.first.filter(|_| self.second.is_none() && !self.missing)
    }

    /// Whether some answer named a total that can be believed.
    pub const fn is_told(&self) -> bool {
        self.first.is_some()
    }

    /// Whether the list has more sessions than it had at first, by this answer or one before: what was its head may now
    /// be its second page.
    pub fn grew(&self, page: &Page) -> bool {
        self.latest.max(believable(page)) > self.first
    }

    /// The total, if every answer gave one and none was lower than the one before.
    pub fn never_fell(&self) -> Option<u64> {
        self.latest.filter(|_| !self.fell && !self.missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::Window;

    fn totals(totals: &[u64]) -> Totals {
        let mut seen = Totals::default();
        for total in totals {
            let info = PageInfo { total: i64::try_from(*total).ok(), ..PageInfo::default() };
            seen.observe(&Page { info, ..Page::empty(Window { size: 10, page: 1 }) });
        }
        seen
    }

    #[test]
    fn totals_jump_where_they_fall_far_and_rise_again() {
        for (told, jumped) in [
            (&[1000_u64, 940, 1000] as &[u64], Some(1000)),
            (&[940, 1000, 940, 955], Some(1000)),
            (&[1000, 940, 930], None),
            (&[1000, 1020, 1040], None),
            (&[1000, 995, 1001, 996, 1002], None),
            (&[8, 0, 8], Some(8)),
        ] {
            assert_eq!(totals(told).jumped(0), jumped, "{told:?}");
        }
        assert_eq!(totals(&[500, 496, 500, 496]).jumped(499), Some(500), "two copies by turns");
        assert_eq!(totals(&[500, 496, 500, 496]).jumped(500), None, "all were read");
        assert_eq!(totals(&[500, 499, 500]).jumped(499), None);
        assert_eq!(totals(&[1000, 940, 1000]).jumped(989), Some(1000));
        assert_eq!(totals(&[1000, 940, 1000]).jumped(990), None, "so many may have come since");
    }

    #[test]
    fn usual_caps_are_round() {
        let caps = [1_000, 2_000, 5_000, 10_000, 1_024, 65_535, 65_536, 1_000_000];
        assert!(caps.into_iter().all(is_a_usual_cap));
        assert!(![0, 1, 10, 100, 999, 1_001, 3_000, 10_001, 12_345].into_iter().any(is_a_usual_cap));
    }
}
