//! A list that gives pages of one size only: no windows can overlap. It is read to its end, then again backwards.
//!
//! Equal pages in both passes, no session twice and as many as one constant total are evidence `twice`.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::Page;
use super::evidence::Evidence;
use super::totals::Totals;
use super::window::Window;

/// How often a page that looks wrong is asked for again.
const AGAIN: u32 = 2;

/// The two passes.
#[derive(Debug)]
pub struct Passes {
    size: u32,
    /// Hash of each page of the first pass, by number from 1.
    first: BTreeMap<u64, u64>,
    /// Pages of the second pass that are still to come back.
    equal: bool,
    /// The next page of the first pass.
    next: u64,
    /// The next page of the second one, downwards.
    back: Option<u64>,
    /// Where the list ended.
    end: Option<u64>,
    flying: BTreeMap<u64, u32>,
    planned: Vec<(u64, u32)>,
    rows: u64,
    /// What each pass was told of the list's length.
    totals: Totals,
    reasons: Vec<String>,
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
            totals: Totals::default(),
            reasons: Vec::new(),
        }
    }

    /// The next window to ask for, if there is one now.
    pub fn next(&mut self) -> Option<Window> {
        let (page, tries) = self.planned.pop().or_else(|| Some((self.unasked()?, 0)))?;
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

    /// Takes an answer.
    pub fn answer(&mut self, window: Window, refused: Option<u16>, page: Option<&Page>) {
        // What was asked before the passes began has another size.
        let Some(tries) = self.flying.remove(&window.page).filter(|_| window.size == self.size) else { return };
        if let Some(page) = page {
            self.totals.observe(page);
        }
        let listed = page.map_or(0, Page::listed);
        let total = self.totals.latest();
        let wanted = total.map(|total| total.saturating_sub(window.offset()).min(self.size.into()));
        if wanted.is_some_and(|wanted| listed < wanted) && tries < AGAIN {
            self.planned.push((window.page, tries + 1));
            return;
        }
        if let Some(status) = refused
            && wanted.is_some_and(|wanted| wanted > 0)
        {
            self.reasons.push(format!("page {} was refused with status {status}", window.page));
        }
        let hash = page.map_or(0, digest);
        match self.back {
            Some(_) => self.equal &= self.first.get(&window.page).is_none_or(|first| *first == hash),
            None => self.forward(window.page, listed, hash, page),
        }
        self.turn();
    }

    fn forward(&mut self, number: u64, listed: u64, hash: u64, page: Option<&Page>) {
        let repeated = number > 1 && self.first.get(&(number - 1)) == Some(&hash);
        if listed == 0 || repeated {
            self.end = Some(self.end.map_or(number, |end| end.min(number)));
            return;
        }
        self.rows += listed;
        self.first.insert(number, hash);
        if page.is_some_and(Page::is_short) && self.totals.latest().is_none() {
            self.end = Some(number + 1);
        }
    }

    /// Begins the second pass when the first is over.
    fn turn(&mut self) {
        let idle = self.flying.is_empty() && self.planned.is_empty();
        let last = self.first.keys().next_back().copied();
        if self.back.is_none() && idle && self.end.is_some() {
            self.back = Some(last.unwrap_or(0));
        }
    }

    /// What was said of the list's length.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// The strength of what both showed.
    pub fn judge(&self, distinct: u64) -> (Evidence, Vec<String>) {
        let mut reasons = self.reasons.clone();
        if !reasons.is_empty() {
            return (Evidence::None, reasons);
        }
        if self.equal && self.totals.constant() == Some(distinct) && self.rows == distinct {
            return (Evidence::Twice, vec![Evidence::Twice.row().ground.to_owned()]);
        }
        if !self.equal {
            reasons.push("the server has one page size only, and two passes did not see the same pages".to_owned());
        }
        if self.totals.never_fell() == Some(distinct) {
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
