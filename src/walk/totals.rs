//! What the server says of the list's length, and how far that can be believed.

use super::{Page, PageInfo};

/// No account has more sessions; a larger total is a slip.
const MOST: u64 = 1 << 40;

/// The totals of a walk.
#[derive(Debug, Clone, Default)]
pub struct Totals {
    first: Option<u64>,
    latest: Option<u64>,
    changed: bool,
    fell: bool,
    missing: bool,
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
    /// Takes an answer into account.
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
        self.changed |= self.first.is_some_and(|first| first != total);
        self.fell |= self.latest.is_some_and(|latest| total < latest);
        self.first.get_or_insert(total);
        self.latest = Some(total);
    }

    /// The list's length by the latest answer that can be believed.
    pub const fn latest(&self) -> Option<u64> {
        self.latest
    }

    /// The greatest of the first and the latest one.
    pub fn most(&self) -> Option<u64> {
        self.first.max(self.latest)
    }

    /// The one total that every answer gave.
    pub fn constant(&self) -> Option<u64> {
        self.first.filter(|_| !self.changed && !self.missing)
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
