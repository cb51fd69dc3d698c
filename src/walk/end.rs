//! How the end of the list is shown: by an answer that overshoots it and so comes back short, and by one behind it that
//! brings nothing. Where the server gives no total to hold against, both are asked twice, with different sizes.
//!
//! A page behind the end that is not answered says nothing by itself. Beside a total that agrees that is enough. Without a
//! total it counts only if a page far behind failed alike at the opening and fails so at the end, and if the short answers
//! are the same after a pause: an outage that cuts pages short does not last so long.

use std::collections::{BTreeMap, BTreeSet};

use super::Page;
use super::base::Word;
use super::sizes::Sizes;
use super::totals::{believable, is_a_usual_cap};
use super::window::behind;
use crate::list::{Listed, Silence, Window};

/// Requests at most that are spent on the end alone.
const ATTEMPTS: u32 = 8;

/// A window that came back short, and its rows.
pub type Short = (Window, Vec<Listed>);

/// What is known of the end.
#[derive(Debug, Clone, Default)]
pub struct End {
    /// Short answers that end with the chain's last row, by size.
    short: BTreeMap<u32, Short>,
    /// What pages behind the end said, by size.
    behind: BTreeMap<u32, Word>,
    /// Whether one of them was a page that shows that nothing is there: an empty one, or the last page again.
    has_page: bool,
    /// Whether a short answer agreed with its own total and last page.
    agreed: bool,
    attempts: u32,
    /// Windows across the end that were asked for: they should have come back short.
    asked: BTreeSet<Window>,
}

impl End {
    /// The chain goes on: what was known of its end is void.
    pub fn moved(&mut self) {
        let Self { short, behind, has_page, agreed, attempts: _, asked } = self;
        short.clear();
        behind.clear();
        asked.clear();
        (*has_page, *agreed) = (false, false);
    }

    /// An answer that ends with the chain's last row. Only a short one says something of the end.
    pub fn reached(&mut self, page: &Page) {
        if page.is_short() {
            self.short.insert(page.window.size, (page.window, page.rows.clone()));
            self.agreed |= agrees(page);
        }
    }

    /// A page came from behind the end and brought no session that is new: an empty one, the last page again (both
    /// [`Word::Nothing`]), or the first page again.
    pub fn brought(&mut self, size: u32, word: Word) {
        self.behind.insert(size, word);
        self.has_page |= word == Word::Nothing;
    }

    /// No page came from behind the end: a status, or no answer.
    pub fn refused(&mut self, size: u32, word: Word) {
        self.behind.insert(size, word);
    }

    /// Whether the list may go on behind a position at which servers cut lists.
    pub fn is_cut(&self, reach: u64) -> bool {
        !self.has_page && is_a_usual_cap(reach)
    }

    /// Whether a short answer behind the first page held exactly the rest of its total.
    pub fn is_agreed(&self) -> bool {
        self.agreed
    }

    /// Whether no page behind the end was asked for and answered yet, be it by a failure.
    pub fn lacks_probe(&self) -> bool {
        self.behind.is_empty()
    }

    fn needed(&self) -> usize {
        if self.agreed { 1 } else { 2 }
    }

    fn brought_nothing(&self) -> usize {
        self.behind.values().filter(|word| **word == Word::Nothing).count()
    }

    /// The failure of every page behind the end, where all fail alike.
    fn silence(&self) -> Option<Silence> {
        let mut silences =
            self.behind.values().map(|word| if let Word::Silent(why) = word { Some(*why) } else { None });
        let first = silences.next()??;
        silences.all(|other| other == Some(first)).then_some(first)
    }

    /// Whether the end is shown. `far`: what a page far behind the end brought at the opening.
    pub fn is_shown(&self, far: Option<Word>) -> bool {
        let needed = self.needed();
        if self.short.len() < needed {
            return false;
        }
        let is_silent = self.behind.len() >= needed
            && self.silence().is_some_and(|silence| self.agreed || far == Some(Word::Silent(silence)))
            && (self.agreed || !self.may_be_capped());
        self.brought_nothing() >= needed || is_silent
    }

    /// Whether all short answers begin at one position: a server that caps its pages gives as many rows for any size, and one
    /// that refuses what lies behind looks like the end. A list of one or two sessions has no other position to begin at.
    fn may_be_capped(&self) -> bool {
        let offsets: BTreeSet<u64> = self.short.values().map(|(window, _)| window.offset()).collect();
        let most = self.short.values().map(|(_, rows)| rows.len()).max().unwrap_or(0);
        offsets.len() < 2 && most > 2
    }

    /// The short answers that must be the same after a pause, where the end rests on failures alone.
    pub fn rests_on_silence(&self) -> Option<(Silence, Vec<Short>)> {
        let is_silent = !self.agreed && self.brought_nothing() < self.needed();
        Some((self.silence().filter(|_| is_silent)?, self.short.values().cloned().collect()))
    }

    /// A window across the end that was not asked for yet: where one came back short, one that begins elsewhere, if there is
    /// such.
    fn overshooting(&self, reach: u64, overlap: u64, sizes: &Sizes) -> Option<Window> {
        let is_new = |window: &Window| !self.asked.contains(window) && !self.short.contains_key(&window.size);
        let from = reach.saturating_sub(overlap.min(reach));
        let inside = || {
            let windows = sizes.each().map(|size| Window { size, page: from / u64::from(size) + 1 });
            windows.filter(|window| window.offset() > 0 && window.end() > reach).find(is_new)
        };
        let anywhere = || {
            let found = sizes.each().filter(|size| *size > 1).take(64);
            found.filter_map(|size| sizes.reaching_within(reach, overlap, size)).find(is_new)
        };
        let begins_at_head = self.short.values().any(|(window, _)| window.offset() == 0);
        begins_at_head.then(inside).flatten().or_else(anywhere)
    }

    /// The next window to ask for the end's sake, and whether it lies behind the end; `None` when it is shown or can't be.
    /// `reach`: the position behind the last row.
    pub fn next(&mut self, reach: u64, overlap: u64, sizes: &Sizes) -> Option<(Window, bool)> {
        let needed = self.needed();
        let is_enough = self.short.len() >= needed
            && (self.brought_nothing() >= needed || self.behind.len() >= needed && self.silence().is_some());
        if is_enough || self.attempts >= ATTEMPTS {
            return None;
        }
        self.attempts += 1;
        if self.short.len() < needed {
            let window = self.overshooting(reach, overlap, sizes).or_else(|| sizes.reaching(reach, 1))?;
            self.asked.insert(window);
            return Some((window, false));
        }
        let size = sizes.each().find(|size| !self.behind.contains_key(size))?;
        Some((behind(reach, size), true))
    }
}

/// Whether a short answer's own total, and its last page where it names one, say that it is the last.
fn agrees(page: &Page) -> bool {
    let last_page = page.end().div_ceil(u64::from(page.window.size));
    let agrees = |named: i64| u64::try_from(named).is_ok_and(|named| named == last_page || named + 1 == last_page);
    believable(page) == Some(page.end()) && page.info.last_page.is_none_or(agrees)
}
