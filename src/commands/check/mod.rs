//! `check`: what the API does, and what a run could prove with it. Asks a handful of pages and writes nothing.
//!
//! It holds no rule that the walk depends on. A page that may not be there is told of in the server's own words and
//! never ends the check.

pub mod command;
mod report;

use std::time::{Duration, Instant};

use crate::api::{Client, Failed, Filter, Word};
use crate::commands::fetch::{self, Fetched};
use crate::error::Result;
use crate::list::{Asking, Listed, PageInfo, Request, Silence, Window};
use crate::rows::flatten;
use crate::walk::{Evidence, can_overlap};
pub use report::{Report, Would};

/// Pages that are looked through to see whether they can overlap; what can't be there shows in the first few.
const PAGES: u64 = 1_000;
/// A page behind the end of any list, for one that names no end.
const FAR: u64 = 1_000_000;
/// Page sizes that are tried where the one asked for is refused.
const SMALLER: [u32; 3] = [50, 20, 10];

#[derive(Debug, Default)]
struct Page {
    info: PageInfo,
    listed: Vec<Listed>,
    unusable: u64,
}

impl Page {
    fn total(&self) -> Option<u64> {
        self.info.total.and_then(|total| u64::try_from(total).ok())
    }

    /// How many records the page holds, with a usable id or without.
    fn given(&self) -> u64 {
        self.listed.len() as u64 + self.unusable
    }

    /// The size of pages by this answer to a request for so many: it may be a capped one, unless it holds the whole list.
    fn size(&self, asked: u32) -> u32 {
        let is_whole = self.given() == 0 || self.total() == Some(self.given());
        if is_whole { asked } else { u32::try_from(self.given()).unwrap_or(asked).min(asked) }
    }

    /// How many sessions both pages list.
    fn shared(&self, other: &Self) -> usize {
        self.listed.iter().filter(|row| other.listed.iter().any(|other| other.id == row.id)).count()
    }

    /// The same sessions, but for a few that came or went between the two answers.
    fn is_like(&self, other: &Self) -> bool {
        self.shared(other) * 2 > self.listed.len().min(other.listed.len())
    }
}

/// The first page, and the size that a run would use.
struct First {
    page: Page,
    size: u32,
    /// How the server refused the size that was asked for.
    refused: Option<Word>,
}

/// Finds out how the API behaves with pages of this size, and whether they can overlap by so many sessions.
///
/// # Errors
/// Refused credentials, and a first page that fails or breaks the API's contract in whatever size.
pub async fn check(client: &Client, per_page: u32, overlap: u64) -> Result<Report> {
    let mut asker = Asker { client, times: Vec::new() };
    let First { page: first, size, refused } = asker.first(per_page).await?;
    let given = first.given();
    let has_more = first.total().is_some_and(|total| total > given);
    let (base, page_zero) = asker.zero(&first, size).await?;
    // A window that overlaps the first page by two.
    let other = size.saturating_sub(2).max(1);
    let second = asker.ask(Request::probe(Window { size: other, page: 2 }, base + 1)).await?.ok();
    let honoured = second.as_ref().map_or(!has_more, |page| {
        page.listed.len() <= other as usize && (!has_more || size < 4 || first.shared(page) > 0)
    });
    let behind_the_end = asker.behind(&first, size, base).await?;
    let again = asker.ask(Request::documented(Window { size, page: 1 }, base)).await?.ok();
    let totals = [Some(&first), second.as_ref(), again.as_ref()].map(|page| page.and_then(|page| page.info.total));
    let length = first.total().unwrap_or(u64::from(size) * PAGES).min(u64::from(size) * PAGES);
    Ok(Report {
        total: first.info.total,
        total_is_stable: totals.iter().flatten().all(|total| Some(*total) == first.info.total),
        first_page: base,
        page_size_asked: per_page.into(),
        page_size_given: has_more.then_some(given),
        page_size_refused: refused.map(|word| word.to_string()),
        sizes_are_honoured: honoured,
        newest_first: first.listed.is_sorted_by(|a, b| a.start >= b.start),
        page_zero,
        behind_the_end,
        latency_ms: u64::try_from(asker.median().as_millis()).unwrap_or(u64::MAX),
        evidence: if honoured && can_overlap(length, overlap, size) { Evidence::Chain } else { Evidence::Twice },
    })
}

/// Sends the requests of a check, and keeps how long each answer took.
struct Asker<'a> {
    client: &'a Client,
    times: Vec<Duration>,
}

impl Asker<'_> {
    async fn ask(&mut self, request: Request) -> Result<Result<Page, Failed>> {
        let begun = Instant::now();
        let fetched = fetch::page(self.client, request, &Filter::default(), flatten::Options::default).await?;
        self.times.push(begun.elapsed());
        Ok(fetched.map(|Fetched { flat, .. }| Page { info: flat.info, listed: flat.listed, unusable: flat.unusable }))
    }

    /// The first page in the size asked for, or else in the largest that is given.
    async fn first(&mut self, per_page: u32) -> Result<First> {
        let request = Request::documented(Window { size: per_page, page: 1 }, 1);
        let failed = match self.ask(request).await? {
            Ok(page) => return Ok(First { size: page.size(per_page), page, refused: None }),
            Err(failed) => failed,
        };
        if matches!(failed.word, Word::Nothing { .. } | Word::Silent(Silence::Status(_))) {
            let sizes = SMALLER.into_iter().filter(|size| *size < per_page);
            let smaller = sizes.map(|size| Request::probe(Window { size, page: 1 }, 1));
            let own = Request { asking: Asking::Probe, own_size: true, ..request };
            for request in smaller.chain([own]) {
                if let Ok(page) = self.ask(request).await? {
                    return Ok(First { size: page.size(request.window.size), page, refused: Some(failed.word) });
                }
            }
        }
        // An account without sessions may have no page at all. A wrong address has none either, but no token is wrong there.
        let is_empty = matches!(failed.word, Word::Nothing { status: 404 } | Word::Silent(Silence::Bare));
        if is_empty && self.refuses_wrong_tokens(request).await? {
            return Ok(First { page: Page::default(), size: per_page, refused: None });
        }
        Err(failed.error)
    }

    async fn refuses_wrong_tokens(&mut self, request: Request) -> Result<bool> {
        let answer = self.ask(Request { asking: Asking::WrongToken, ..request }).await?;
        Ok(answer.is_err_and(|failed| failed.word == Word::Denied))
    }

    /// The number of the first page, and what page 0 brings.
    async fn zero(&mut self, first: &Page, size: u32) -> Result<(u64, String)> {
        let zero = match self.ask(Request::probe(Window { size, page: 1 }, 0)).await? {
            Err(failed) => return Ok((1, failed.word.to_string())),
            Ok(zero) if zero.listed.is_empty() => return Ok((1, "no sessions".to_owned())),
            Ok(zero) if zero.is_like(first) => return Ok((1, "page 1 again".to_owned())),
            Ok(zero) => zero,
        };
        // Some servers count backwards from the end.
        let end = match last_page(first, size) {
            Some(last) if last > 1 => self.ask(Request::probe(Window { size, page: last }, last)).await?.ok(),
            _ => None,
        };
        let is_end = end.is_some_and(|end| end.shared(&zero) > 0);
        Ok(if is_end { (1, "the end of the list".to_owned()) } else { (0, "sessions before page 1".to_owned()) })
    }

    /// What a page behind the end brings.
    async fn behind(&mut self, first: &Page, size: u32, base: u64) -> Result<String> {
        let far = last_page(first, size).map_or(FAR, |last| last + 2);
        let mut asked = Vec::new();
        for page in [far, far + 1] {
            match self.ask(Request::probe(Window { size, page: page + 1 - base }, page)).await? {
                Err(failed) => return Ok(failed.word.to_string()),
                Ok(page) if page.listed.is_empty() => return Ok("0 sessions".to_owned()),
                Ok(page) => asked.push(page),
            }
        }
        let count = asked[0].listed.len();
        Ok(match asked[0].is_like(&asked[1]) {
            true if asked[0].is_like(first) && first.total() != Some(first.given()) => "page 1 again".to_owned(),
            true => "the last page again".to_owned(),
            false => format!("{count} sessions"),
        })
    }

    /// The median time of an answer, from the request to its rows.
    fn median(&mut self) -> Duration {
        self.times.sort_unstable();
        self.times.get(self.times.len() / 2).copied().unwrap_or_default()
    }
}

/// The number of the last page by the server's own account, as counted from 1.
fn last_page(first: &Page, size: u32) -> Option<u64> {
    let named = first.info.last_page.and_then(|last| u64::try_from(last).ok());
    named.or_else(|| first.total().map(|total| total.div_ceil(size.into()).max(1)))
}
