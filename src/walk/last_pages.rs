//! What the server says of the number of its pages, in several sizes: together that tells the list's length.

use crate::list::Window;

/// The length of the list by the `lastPage` of full pages.
#[derive(Debug, Clone)]
pub struct LastPages {
    /// The list is longer than this by each of them, one page less in case the server counts one too many.
    from: u64,
    /// It is this long at most by each of them.
    to: u64,
    smallest: u32,
    largest: u32,
}

impl Default for LastPages {
    fn default() -> Self {
        Self { from: 0, to: u64::MAX, smallest: u32::MAX, largest: 0 }
    }
}

impl LastPages {
    /// Takes a full page into account.
    pub fn observe(&mut self, window: Window, last_page: Option<i64>) {
        let Some(last) = last_page.and_then(|last| u64::try_from(last).ok()).filter(|last| *last > 0) else { return };
        let pages = |pages: u64| pages.saturating_mul(window.size.into());
        (self.from, self.to) = (self.from.max(pages(last.saturating_sub(2))), self.to.min(pages(last)));
        (self.smallest, self.largest) = (self.smallest.min(window.size), self.largest.max(window.size));
    }

    /// The length that all of them speak for, at least, where that is more than `reach`. Servers that always name one number,
    /// or count pages of another size, contradict themselves as soon as sizes differ much.
    pub fn belie(&self, reach: u64) -> Option<u64> {
        let differ = self.largest / 2 >= self.smallest;
        (differ && self.from < self.to && self.from > reach).then_some(self.from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a list of which so many were read.
    fn seen(read: u64, last_page: impl Fn(u64) -> u64) -> LastPages {
        let mut pages = LastPages::default();
        for size in [100, 98, 50].into_iter().filter(|size| u64::from(*size) <= read) {
            pages.observe(Window { size, page: 1 }, i64::try_from(last_page(u64::from(size))).ok());
        }
        pages
    }

    #[test]
    fn pages_that_are_named_and_not_given_are_missed() {
        assert_eq!(seen(1_037, |size| 2_000_u64.div_ceil(size)).belie(1_037), Some(1_900));
        for reach in [1_900, 1_999, 2_000, 2_001] {
            assert_eq!(seen(reach, |size| 2_000_u64.div_ceil(size)).belie(reach), None);
        }
    }

    #[test]
    fn numbers_that_are_no_number_of_pages_say_nothing() {
        for length in [60, 300, 730, 1_037, 50_000] {
            assert_eq!(seen(length, |_| 20).belie(length.min(1_037)), None, "always the same");
            assert_eq!(seen(length, |_| length.div_ceil(20)).belie(length), None, "pages of 20");
            assert_eq!(seen(length, |size| length / size + 1).belie(length), None, "one too many");
            assert_eq!(seen(length, |size| length / size).belie(length), None, "one too few");
            assert_eq!(seen(length, |_| 0).belie(length), None);
        }
        let mut one_size = LastPages::default();
        one_size.observe(Window { size: 100, page: 1 }, Some(20));
        assert_eq!(one_size.belie(1_037), None);
    }
}
