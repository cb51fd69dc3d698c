//! The forward walk: every page in turn until the end is shown.
//!
//! A short or empty page is never the end in itself. What it can show at best is [`Evidence::Total`]: the list did not
//! change its length while it was read, and as many different sessions were read as it has.

use std::collections::BTreeSet;

use super::{Answer, Evidence, Listed, Outcome, Request, Verdict, Window};

/// How often a page that looks wrong is asked for again.
const ASK_AGAIN: u32 = 2;

/// What a walk must be told of a source that breaks its contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// Every page is the first one.
    #[error("the server ignores `page`: page {page} is the first page again")]
    PageIgnored {
        /// The page asked for.
        page: u64,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stand {
    /// Reading on.
    Reading,
    /// The last page seems to have been read; the one behind it must bring nothing new.
    Probing,
    /// The list seems to be empty; asked a second time with another size.
    Confirming,
    Done,
}

/// The state of a forward walk. Holds the rows of two pages, never of the list.
#[derive(Debug)]
pub struct Forward {
    size: u32,
    page: u64,
    stand: Stand,
    again: u32,
    requests: u64,
    first: Vec<Listed>,
    last: Vec<Listed>,
    last_page: Option<u64>,
    totals: BTreeSet<i64>,
    untold: bool,
    unusable: u64,
    reasons: Vec<String>,
}

impl Forward {
    /// A walk from the first page, at a page size.
    pub fn new(size: u32) -> Self {
        Self {
            size,
            page: 1,
            stand: Stand::Reading,
            again: 0,
            requests: 0,
            first: Vec::new(),
            last: Vec::new(),
            last_page: None,
            totals: BTreeSet::new(),
            untold: false,
            unusable: 0,
            reasons: Vec::new(),
        }
    }

    /// The next request; `None` when the walk is over.
    pub fn next(&self) -> Option<Request> {
        let size = if self.stand == Stand::Confirming { (self.size / 2).max(1) } else { self.size };
        let window = Window { size, page: self.page };
        // The head of the list always exists; behind it, a refusal may mean the end.
        (self.stand != Stand::Done).then_some(Request { window, probe: self.page > 1 })
    }

    /// Pages there seem to be, for the progress.
    pub const fn expected_pages(&self) -> Option<u64> {
        self.last_page
    }

    /// Takes an answer to [`Forward::next`].
    ///
    /// # Errors
    /// [`Broken`] where the source can't be walked at all.
    pub fn answer(&mut self, answer: Answer) -> Result<(), Broken> {
        self.requests += 1;
        match answer.outcome {
            Outcome::Refused { status } => self.refused(status),
            Outcome::Page { info, rows, unusable } => {
                let listed = rows.len() as u64 + unusable;
                self.total(info.total);
                if let Some(last) = info.last_page.and_then(|last| u64::try_from(last).ok()) {
                    self.last_page = Some(last);
                }
                if self.page == 1 && self.stand == Stand::Reading {
                    self.adapt(info.per_page, listed);
                }
                return self.page(rows, unusable, listed);
            }
        }
        Ok(())
    }

    /// Ends the walk. `distinct`: different sessions read, as the stage counts them.
    pub fn finish(self, distinct: u64) -> Verdict {
        let mut reasons = self.reasons;
        let total = self.totals.iter().next_back().and_then(|&total| u64::try_from(total).ok());
        if self.untold || self.totals.is_empty() {
            reasons.push("the server did not say how many sessions there are on every page".to_owned());
        } else if self.totals.len() > 1 {
            let (first, last) = (self.totals.first().copied(), self.totals.last().copied());
            let (first, last) = (first.unwrap_or_default(), last.unwrap_or_default());
            reasons.push(format!("the list changed while it was read: its total was between {first} and {last}"));
        } else if let Some(total) = total.filter(|&total| total != distinct + self.unusable) {
            reasons.push(format!("the list has {total} sessions, but {distinct} different ones were read"));
        }
        let evidence = if reasons.is_empty() { Evidence::Total } else { Evidence::None };
        if reasons.is_empty() {
            reasons
                .push("as many different sessions were read as the list had, and its total never changed".to_owned());
        }
        Verdict { evidence, reasons, requests: self.requests, total }
    }

    fn total(&mut self, total: Option<i64>) {
        match total {
            Some(total) if total >= 0 => drop(self.totals.insert(total)),
            _ => self.untold = true,
        }
    }

    /// A server may cap the page size; what it gives is then used.
    fn adapt(&mut self, echo: Option<i64>, listed: u64) {
        let echo = echo.and_then(|echo| u32::try_from(echo).ok()).filter(|&echo| echo > 0);
        let more = self.last_page.is_some_and(|last| last > 1)
            || self.totals.last().is_some_and(|&total| u64::try_from(total).is_ok_and(|total| total > listed));
        let listed = u32::try_from(listed).unwrap_or(u32::MAX);
        if let Some(echo) = echo.filter(|&echo| echo < self.size) {
            self.size = echo;
        } else if more && listed > 0 && listed < self.size {
            self.size = listed;
        }
    }

    fn page(&mut self, rows: Vec<Listed>, unusable: u64, listed: u64) -> Result<(), Broken> {
        if listed == 0 {
            self.empty();
            return Ok(());
        }
        if self.page > 1 && rows == self.last {
            return self.repeated(rows == self.first);
        }
        let is_last = self.last_page.map_or(listed < u64::from(self.size), |last| self.page >= last);
        if !is_last && listed < u64::from(self.size) && self.page > 1 && self.again < ASK_AGAIN {
            self.again += 1;
            return Ok(());
        }
        if !is_last && listed < u64::from(self.size) {
            self.reasons.push(format!("page {} is short: {listed} of {} sessions", self.page, self.size));
        }
        self.unusable += unusable;
        if self.page == 1 {
            self.first.clone_from(&rows);
        }
        self.last = rows;
        self.stand = if is_last { Stand::Probing } else { Stand::Reading };
        self.turn();
        Ok(())
    }

    fn turn(&mut self) {
        self.page += 1;
        self.again = 0;
    }

    fn empty(&mut self) {
        match self.stand {
            Stand::Probing | Stand::Confirming | Stand::Done => self.stand = Stand::Done,
            Stand::Reading if self.page == 1 => self.stand = Stand::Confirming,
            Stand::Reading if self.last_page.is_none_or(|last| self.page > last) => self.stand = Stand::Done,
            Stand::Reading if self.again < ASK_AGAIN => self.again += 1,
            Stand::Reading => {
                self.reasons.push(format!("page {} stayed empty", self.page));
                if self.last_page.is_some_and(|last| self.page >= last) {
                    self.stand = Stand::Done;
                }
                self.turn();
            }
        }
    }

    /// The page before, again: the end where that was the last one; else a cache, or a server without pages.
    fn repeated(&mut self, is_first: bool) -> Result<(), Broken> {
        if self.stand == Stand::Probing {
            self.stand = Stand::Done;
        } else if self.again < ASK_AGAIN {
            self.again += 1;
        } else if is_first {
            return Err(Broken::PageIgnored { page: self.page });
        } else {
            self.reasons.push(format!("page {} repeats the page before it", self.page));
            if self.last_page.is_none_or(|last| self.page >= last) {
                self.stand = Stand::Done;
            }
            self.turn();
        }
        Ok(())
    }

    fn refused(&mut self, status: u16) {
        if self.stand == Stand::Reading {
            self.reasons.push(format!("page {} was refused with status {status}", self.page));
        }
        self.stand = Stand::Done;
    }
}

#[cfg(test)]
mod tests {
    use super::super::PageInfo;
    use super::*;

    fn listed(ids: std::ops::Range<u128>) -> Vec<Listed> {
        ids.map(|id| Listed { id, start: None }).collect()
    }

    /// Walks a list of `len` sessions whose answers `alter` may change; gives the ids read and the verdict.
    fn walk(
        len: u64,
        size: u32,
        mut alter: impl FnMut(i64, Window, &mut Outcome),
    ) -> Result<(BTreeSet<u128>, Verdict), Broken> {
        let mut walk = Forward::new(size);
        let mut seen = BTreeSet::new();
        let mut number: i64 = 0;
        while let Some(Request { window, .. }) = walk.next() {
            number += 1;
            assert!(number < 100, "the walk does not end");
            let from = window.offset().min(len);
            let to = (window.offset() + u64::from(window.size)).min(len);
            let info = PageInfo {
                current_page: Some(window.page.cast_signed()),
                per_page: Some(window.size.into()),
                last_page: Some(len.div_ceil(window.size.into()).cast_signed()),
                total: Some(len.cast_signed()),
            };
            let mut outcome = Outcome::Page { info, rows: listed(from.into()..to.into()), unusable: 0 };
            alter(number, window, &mut outcome);
            if let Outcome::Page { rows, .. } = &outcome {
                seen.extend(rows.iter().map(|row| row.id));
            }
            walk.answer(Answer { window, outcome })?;
        }
        let distinct = seen.len() as u64;
        Ok((seen, walk.finish(distinct)))
    }

    #[test]
    fn a_still_list_is_read_whole() {
        for len in [0, 1, 9, 10, 11, 20, 35] {
            let (seen, verdict) = walk(len, 10, |_, _, _| {}).unwrap();
            assert_eq!((seen.len() as u64, verdict.evidence), (len, Evidence::Total), "{len}: {:?}", verdict.reasons);
        }
    }

    #[test]
    fn any_answer_behind_the_end_is_fine() {
        for status in [400, 404] {
            let refuse = |_, window: Window, outcome: &mut Outcome| {
                if window.page > 3 {
                    *outcome = Outcome::Refused { status };
                }
            };
            assert_eq!(walk(30, 10, refuse).unwrap().1.evidence, Evidence::Total);
        }
        let last_again = |_, window: Window, outcome: &mut Outcome| {
            if let (true, Outcome::Page { rows, .. }) = (window.page > 3, outcome) {
                *rows = listed(20..30);
            }
        };
        assert_eq!(walk(30, 10, last_again).unwrap().1.evidence, Evidence::Total);
    }

    #[test]
    fn an_empty_page_is_not_the_end() {
        let once = |number, _, outcome: &mut Outcome| {
            if let (2, Outcome::Page { rows, .. }) = (number, outcome) {
                rows.clear();
            }
        };
        let (seen, verdict) = walk(35, 10, once).unwrap();
        assert_eq!((seen.len(), verdict.evidence), (35, Evidence::Total));
        let always = |_, window: Window, outcome: &mut Outcome| {
            if let (2, Outcome::Page { rows, .. }) = (window.page, outcome) {
                rows.clear();
            }
        };
        let (seen, verdict) = walk(35, 10, always).unwrap();
        assert_eq!((seen.len(), verdict.evidence), (25, Evidence::None));
    }

    #[test]
    fn a_short_page_is_not_the_end() {
        let always = |_, window: Window, outcome: &mut Outcome| {
            if let (2, Outcome::Page { rows, .. }) = (window.page, outcome) {
                rows.truncate(4);
            }
        };
        let (seen, verdict) = walk(35, 10, always).unwrap();
        assert_eq!((seen.len(), verdict.evidence), (29, Evidence::None));
    }

    #[test]
    fn a_cap_is_used() {
        let mut capped = Vec::new();
        let cap = |_, window: Window, outcome: &mut Outcome| {
            if let Outcome::Page { info, rows, .. } = outcome {
                let size = window.size.min(4);
                capped.push(window.size);
                let from = ((window.page - 1) * u64::from(size)).min(10);
                *rows = listed(from.into()..(from + u64::from(size)).min(10).into());
                (info.per_page, info.last_page) = (Some(size.into()), Some(3));
            }
        };
        let (seen, verdict) = walk(10, 100, cap).unwrap();
        assert_eq!((seen.len(), verdict.evidence), (10, Evidence::Total));
        assert_eq!(capped, [100, 4, 4, 4]);
    }

    #[test]
    fn a_server_without_pages_is_told() {
        let same = |_, _, outcome: &mut Outcome| {
            if let Outcome::Page { rows, .. } = outcome {
                *rows = listed(0..10);
            }
        };
        assert_eq!(walk(35, 10, same).unwrap_err(), Broken::PageIgnored { page: 2 });
    }

    #[test]
    fn a_changed_or_missing_total_proves_nothing() {
        let grows = |number, _, outcome: &mut Outcome| {
            if let Outcome::Page { info, .. } = outcome {
                info.total = Some(35 + number);
            }
        };
        assert_eq!(walk(35, 10, grows).unwrap().1.evidence, Evidence::None);
        let missing = |_, _, outcome: &mut Outcome| {
            if let Outcome::Page { info, .. } = outcome {
                (info.total, info.last_page) = (None, None);
            }
        };
        let (seen, verdict) = walk(35, 10, missing).unwrap();
        assert_eq!((seen.len(), verdict.evidence), (35, Evidence::None));
    }
}
