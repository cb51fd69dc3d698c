//! A list that gives pages of one size only: no windows can overlap. It is read to its end, then again backwards.
//!
//! Equal pages in both passes, no session twice and as many as one constant total are evidence `twice`.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::round::Spent;
use crate::list::{Listed, Window};
use crate::walk::Page;
use crate::walk::distinct::Distinct;
use crate::walk::evidence::Evidence;
use crate::walk::totals::Totals;
use crate::words::limits;

/// How often a page that looks wrong is asked for again.
const AGAIN: u32 = 2;

/// How many pages are kept to know one of them again.
const RECENT: usize = 3;

/// The two passes over a list of pages of one size: forwards to its end, then backwards to its head.
#[derive(Debug)]
pub struct Passes {
    size: u32,
    /// Hash of each page of the first pass, by number from 1.
    first: BTreeMap<u64, u64>,
    /// Whether every page of the second pass so far was the same as in the first, row for row.
    equal: bool,
    /// Number of the next page that the first pass asks for.
    next: u64,
    /// Number of the next page of the second pass, which counts down; `None` while the first pass goes on.
    back: Option<u64>,
    /// The number of the first page that is not there any more; `None` until the first pass has found it.
    end: Option<u64>,
    flying: BTreeMap<u64, u32>,
    planned: Vec<(u64, u32)>,
    rows: u64,
    unusable: u64,
    newest: Option<i64>,
    oldest: Option<i64>,
    /// What each pass was told of the list's length.
    totals: Totals,
    reasons: Vec<String>,
    /// The first page, and its newest start: what is newer further down has come in meanwhile.
    head: Vec<Listed>,
    /// Ids of the latest pages, `RECENT` of them, in the first pass.
    recent: VecDeque<HashSet<u128>>,
    distinct: Distinct,
    /// What brings something is a page with older sessions.
    spent: Spent,
    /// The last page, not the first, held exactly the rest of the total.
    rest_fits: bool,
    /// The first page held records before the passes began.
    expects_some: bool,
}

impl Passes {
    /// Passes over pages of this size.
    pub fn new(size: u32) -> Self {
        Self {
            size,
            first: BTreeMap::new(),
            equal: true,
            next: 1,
            back: None,
            end: None,
            flying: BTreeMap::new(),
            planned: Vec::new(),
            rows: 0,
            unusable: 0,
            newest: None,
            oldest: None,
            totals: Totals::default(),
            reasons: Vec::new(),
            head: Vec::new(),
            recent: VecDeque::new(),
            distinct: Distinct::default(),
            spent: Spent::default(),
            rest_fits: false,
            expects_some: false,
        }
    }

    /// So many records were on the first page before.
    pub const fn expect(&mut self, records: u64) {
        self.expects_some = records > 0;
    }

    /// The next window to ask for, if there is one now.
    pub fn next(&mut self) -> Option<Window> {
        if self.end.is_none() && self.spent.is_over(|| self.distinct.estimate(), self.size) {
            self.end = Some(self.next);
            self.reasons.push("the list grows faster than it is read".to_owned());
            self.turn();
        }
        let (page, tries) = self.planned.pop().or_else(|| Some((self.unasked()?, 0)))?;
        self.spent.ask();
        self.flying.insert(page, tries);
        Some(Window { size: self.size, page })
    }

    fn unasked(&mut self) -> Option<u64> {
        if let Some(back) = &mut self.back {
            let page = *back;
            *back = back.checked_sub(1)?;
            return (page > 0).then_some(page);
        }
        let known = self.totals.latest().map(|total| total.div_ceil(u64::from(self.size)).max(1));
        // One page behind the last shows the end; without a total, one page at a time.
        let most = known.map_or(self.first.len() as u64 + 1, |last| last + 1);
        (self.end.is_none() && self.next <= most).then(|| {
            self.next += 1;
            self.next - 1
        })
    }

    /// Takes an answer; `None` where there was no page.
    pub fn answer(&mut self, window: Window, page: Option<&Page>) {
        if window.size != self.size {
            return; // It was asked for before the passes began.
        }
        let Some(tries) = self.flying.remove(&window.page) else { return };
        if let Some(page) = page {
            // Behind the end it may be the last page again.
            self.totals.observe_at(page, 0);
        }
        let listed = page.map_or(0, Page::listed);
        if listed > limits::records(self.size) as u64 {
            self.reasons.push(format!("page {} held {listed} sessions, more than are read of one answer", window.page));
        }
        let wanted = self.wanted(window);
        // An empty page ends the pass; one that is so for a moment must not.
        let is_odd = wanted.is_some_and(|wanted| listed < wanted) && tries < AGAIN;
        if is_odd || listed == 0 && tries == 0 {
            self.planned.push((window.page, tries + 1));
            return;
        }
        let is_last = self.totals.latest().is_some_and(|total| total <= window.end());
        self.rest_fits |= window.page > 1 && listed > 0 && wanted == Some(listed) && is_last;
        let hash = page.map_or(0, digest);
        match self.back {
            Some(_) => self.equal &= self.first.get(&window.page).is_none_or(|first| *first == hash),
            None => self.forward(window.page, listed, hash, page),
        }
        self.turn();
    }

    /// A page of the list can't be had, whatever is tried: the list is not read beyond it.
    pub fn refuse(&mut self, window: Window, why: &str) {
        if self.flying.remove(&window.page).is_none() {
            return;
        }
        self.reasons.push(format!("page {} {why}", window.page));
        match self.back {
            Some(_) => self.equal = false,
            None => self.ends_before(window.page),
        }
        self.turn();
    }

    /// Rows that a page should have, as far as is known.
    fn wanted(&self, window: Window) -> Option<u64> {
        let total = self.totals.latest()?;
        Some(total.saturating_sub(window.offset()).min(self.size.into()))
    }

    /// Whether an answer for this window is waited for.
    pub fn is_flying(&self, window: Window) -> bool {
        window.size == self.size && self.flying.contains_key(&window.page)
    }

    /// Where the list ends, as far as is known.
    pub fn known_end(&self) -> u64 {
        let read = self.first.keys().next_back().map_or(0, |last| last * u64::from(self.size));
        self.totals.latest().unwrap_or(0).max(read)
    }

    /// The sessions of the first page.
    pub fn head(&self) -> &[Listed] {
        &self.head
    }

    /// Whether the last page, not the first, held exactly the rest of the total.
    pub const fn rest_fits(&self) -> bool {
        self.rest_fits
    }

    fn forward(&mut self, number: u64, listed: u64, hash: u64, page: Option<&Page>) {
        let is_first = number > 1 && self.first.get(&1) == Some(&hash);
        let is_known = number > 1 && page.is_some_and(|page| self.knows_all(page));
        if listed == 0 || is_first || is_known || self.first.get(&(number - 1)) == Some(&hash) {
            return self.ends_before(number);
        }
        let unusable = page.map_or(0, |page| page.unusable);
        if self.first.get(&(number + 1)) == Some(&hash) {
            // The last page again, which came before the last one.
            self.first.remove(&(number + 1));
            self.rows -= listed;
            self.unusable -= unusable;
            self.ends_before(number + 1);
        }
        self.rows += listed;
        self.unusable += unusable;
        if let Some(page) = page {
            if number == 1 {
                self.head.clone_from(&page.rows);
            }
            self.distinct.observe(&page.rows);
            self.recent.push_back(page.rows.iter().map(|row| row.id).collect());
            if self.recent.len() > RECENT {
                self.recent.pop_front();
            }
            let newest = self.head.first().and_then(|row| row.start);
            let is_new = |row: &Listed| newest.is_some_and(|newest| row.start > Some(newest));
            if number == 1 || !page.rows.iter().all(is_new) {
                self.spent.bring();
            }
            let starts = || page.rows.iter().filter_map(|row| row.start);
            self.newest = self.newest.max(starts().max());
            self.oldest = self.oldest.into_iter().chain(starts()).min();
        }
        self.first.insert(number, hash);
        if page.is_some_and(Page::is_short) && self.totals.latest().is_none() {
            self.end = Some(number + 1);
        }
    }

    /// Whether a page holds nothing but what the first page and the latest ones have: one of them once more, where sessions of
    /// equal keys change places.
    fn knows_all(&self, page: &Page) -> bool {
        let is_known = |row: &Listed| {
            self.head.iter().any(|other| other.id == row.id) || self.recent.iter().any(|ids| ids.contains(&row.id))
        };
        page.unusable == 0 && !page.rows.is_empty() && page.rows.iter().all(is_known)
    }

    fn ends_before(&mut self, number: u64) {
        self.end = Some(self.end.map_or(number, |end| end.min(number)));
    }

    /// Begins the second pass when the first is over.
    fn turn(&mut self) {
        let idle = self.flying.is_empty() && self.planned.is_empty();
        let last = self.first.keys().next_back().copied();
        if self.back.is_none() && idle && self.end.is_some() {
            self.back = Some(last.unwrap_or(0));
        }
    }

    /// The newest and the oldest start of the first pass, in microseconds.
    pub const fn bounds(&self) -> (Option<i64>, Option<i64>) {
        (self.newest, self.oldest)
    }

    /// Whether the second pass has come back to page 1.
    pub fn is_over(&self) -> bool {
        matches!(self.back, Some(0)) && self.flying.is_empty() && self.planned.is_empty()
    }

    /// What was said of the list's length.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// The strength of what both showed.
    pub fn judge(&self, distinct: u64) -> (Evidence, Vec<String>) {
        let mut reasons = self.reasons.clone();
        if self.expects_some && self.rows + self.unusable == 0 {
            reasons.push("the first page was there, and then was not".to_owned());
        }
        if !reasons.is_empty() {
            return (Evidence::None, reasons);
        }
        let distinct = distinct + self.unusable;
        if self.is_over() && self.equal && self.totals.constant() == Some(distinct) && self.rows == distinct {
            return (Evidence::Twice, vec![Evidence::Twice.row().ground.to_owned()]);
        }
        if !self.is_over() {
            reasons.push("the passes did not come to their end".to_owned());
        } else if !self.equal {
            reasons.push("the server has one page size only, and two passes did not see the same pages".to_owned());
        }
        if self.is_over() && self.totals.never_fell() == Some(distinct) {
            reasons.insert(0, Evidence::Total.row().ground.to_owned());
            return (Evidence::Total, reasons);
        }
        let total = self.totals.latest().map_or_else(|| "an unknown number of".to_owned(), |total| total.to_string());
        reasons.push(format!("the list has {total} sessions, and {distinct} different ones were read"));
        (Evidence::None, reasons)
    }
}

fn digest(page: &Page) -> u64 {
    let mut hasher = DefaultHasher::new();
    page.rows.hash(&mut hasher);
    hasher.finish()
}
