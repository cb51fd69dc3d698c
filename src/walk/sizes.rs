//! Which page sizes the server gives, as its answers show.
//!
//! A size that was answered once is never refused later: then it is the position that is refused.

use std::collections::BTreeSet;

use crate::list::Window;

use super::window::reaching_with;

/// Sizes that servers with a choice of sizes usually give, the largest first.
pub const USUAL: [u32; 4] = [100, 50, 20, 10];

/// After so many refused sizes, only those that were answered and the usual ones are asked for.
const PATIENCE: usize = 3;

/// What is known of the sizes.
#[derive(Debug, Clone)]
pub struct Sizes {
    /// The largest that is asked for.
    largest: u32,
    answered: BTreeSet<u32>,
    refused: BTreeSet<u32>,
    /// The server chooses the size itself: no request may name one.
    own: bool,
}

impl Sizes {
    /// Nothing known yet; none above `largest` is asked for.
    pub fn new(largest: u32) -> Self {
        Self { largest: largest.max(1), answered: BTreeSet::new(), refused: BTreeSet::new(), own: false }
    }

    /// The largest size that is asked for.
    pub const fn largest(&self) -> u32 {
        self.largest
    }

    /// The server gives no larger pages than this.
    pub fn cap(&mut self, largest: u32) {
        self.largest = largest.max(1);
    }

    /// The server gives pages of this size where no size is named, and refuses every size.
    pub fn leave_to_server(&mut self, size: u32) {
        self.own = true;
        self.cap(size);
    }

    /// Whether requests must not name a size.
    pub const fn are_the_servers(&self) -> bool {
        self.own
    }

    /// A page of this size came.
    pub fn answer(&mut self, size: u32) {
        self.answered.insert(size);
    }

    /// Whether a page of this size came before.
    pub fn is_answered(&self, size: u32) -> bool {
        self.answered.contains(&size)
    }

    /// A page of this size can't be had, although one of another size can.
    pub fn refuse(&mut self, size: u32) {
        if size < self.largest {
            self.refused.insert(size);
            return;
        }
        // Smaller ones are not in doubt for that.
        self.largest = self.answered.range(..size).next_back().copied().unwrap_or(1);
    }

    /// The largest size that was answered.
    pub fn proven(&self) -> u32 {
        self.answered.range(..=self.largest).next_back().copied().unwrap_or(self.largest)
    }

    /// Whether a size may be asked for: servers that refuse some sizes seldom refuse round ones.
    pub fn allows(&self, size: u32) -> bool {
        let is_known = self.answered.contains(&size) || USUAL.contains(&size);
        let is_likely = match self.refused.len() {
            0 => true,
            few if few < PATIENCE => is_known || size.is_multiple_of(10) || size.is_multiple_of(25),
            _ => is_known,
        };
        size <= self.largest && is_likely && !self.refused.contains(&size)
    }

    /// The window that goes on from a position; see [`super::window::reaching`].
    pub fn reaching(&self, reach: u64, overlap: u64) -> Option<Window> {
        self.reaching_within(reach, overlap, self.largest)
    }

    /// The same with pages of at most so many rows.
    pub fn reaching_within(&self, reach: u64, overlap: u64, most: u32) -> Option<Window> {
        reaching_with(reach, overlap, most.min(self.largest), |size| self.allows(size))
    }

    /// Sizes that may be asked for, the largest first.
    pub fn each(&self) -> impl Iterator<Item = u32> {
        (1..=self.largest).rev().filter(|size| self.allows(*size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_with_a_choice_of_sizes_is_found_out() {
        let mut sizes = Sizes::new(100);
        sizes.answer(100);
        assert_eq!(sizes.reaching(100, 2), Some(Window { size: 98, page: 2 }));
        sizes.refuse(98);
        assert_eq!(sizes.reaching(100, 2), Some(Window { size: 90, page: 2 }));
        sizes.refuse(90);
        assert_eq!(sizes.reaching(100, 2), Some(Window { size: 80, page: 2 }));
        sizes.refuse(80);
        assert_eq!((sizes.reaching(100, 2), sizes.largest(), sizes.proven()), (None, 100, 100));
        assert_eq!(sizes.each().collect::<Vec<_>>(), [100, 50, 20, 10]);
    }

    #[test]
    fn a_server_that_refuses_large_pages_gives_smaller_ones() {
        let mut sizes = Sizes::new(100);
        sizes.answer(50);
        sizes.refuse(100);
        assert_eq!((sizes.largest(), sizes.proven()), (50, 50));
        assert_eq!(sizes.reaching(50, 2), Some(Window { size: 48, page: 2 }));
    }
}
