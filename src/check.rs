//! `check`: what the API does, and what a run could prove with it. Asks a handful of pages and writes nothing.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::api::{Client, Failed, Filter, Word};
use crate::error::Result;
use crate::flatten::{self, Flat};
use crate::summary::grouped;
use crate::walk::{Evidence, Listed, Request, Silence, Window, Zero, can_overlap};

/// What was found. Field names are a contract.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Sessions in the list, by its own account.
    pub total: Option<i64>,
    /// Whether every answer gave the same.
    pub total_is_stable: bool,
    /// The number of the first page.
    pub first_page: u64,
    /// Sessions asked for in one page, and given.
    pub page_size_asked: u64,
    /// See above; `None` where the list is shorter than a page.
    pub page_size_given: Option<u64>,
    /// Whether a page of another size is given as asked for.
    pub sizes_are_honoured: bool,
    /// Whether the first page is newest first.
    pub newest_first: bool,
    /// What is answered behind the end: a number of sessions, or a status.
    pub behind_the_end: String,
    /// The median time of an answer, in milliseconds.
    pub latency_ms: u64,
    /// The strongest evidence that a run can reach; in a list that is not newest first, while nothing changes.
    pub evidence: Evidence,
}

/// Asks, and measures.
struct Asker<'a> {
    client: &'a Client,
    times: Vec<Duration>,
}

impl Asker<'_> {
    async fn ask(&mut self, size: u32, page: u64) -> Result<Result<Flat, Failed>> {
        let window = Window { size, page: page.max(1) };
        let request = if page == 1 { Request::documented(window, page) } else { Request::probe(window, page) };
        let begun = Instant::now();
        let reply = self.client.list(request, &Filter::default()).await?;
        self.times.push(begun.elapsed());
        let body = match reply {
            Ok(body) => body,
            Err(failed) => return Ok(Err(failed)),
        };
        let flat = flatten::page(&body.bytes, &flatten::Options::default());
        flat.map(Ok).map_err(|error| error.into_error(&format!("page {page}"), &self.client.quote(&body.bytes)))
    }
}

/// Pages that are looked through to see whether they can overlap; what can't be there shows in the first few.
const PAGES: u64 = 1_000;

/// Finds out how the API behaves with pages of this size, and whether they can overlap by so many sessions.
///
/// # Errors
/// As a run: refused credentials, a source that fails or breaks its contract.
pub async fn check(client: &Client, per_page: u32, overlap: u64) -> Result<Report> {
    let mut asker = Asker { client, times: Vec::new() };
    let first = asker.ask(per_page, 1).await?;
    let first = first.map_err(|failed| failed.error)?;
    let zero = asker.ask(per_page, 0).await?.ok().map(|flat| flat.listed).unwrap_or_default();
    let is_zero_based = Zero::tell(&first.listed, &zero, true) == Some(Zero::Before);
    let given = first.listed.len() as u64 + first.unusable;
    let has_more = first.info.total.is_some_and(|total| u64::try_from(total).is_ok_and(|total| total > given));
    let size = u32::try_from(given).unwrap_or(per_page).min(per_page).max(1);
    // A window that overlaps the first page by two.
    let other = size.saturating_sub(2).max(1);
    let second = asker.ask(other, if is_zero_based { 1 } else { 2 }).await?.ok();
    let honoured = second.as_ref().is_none_or(|flat| {
        flat.listed.len() <= other as usize && (!has_more || size < 4 || shares(&first.listed, &flat.listed))
    });
    let far = first.info.last_page.and_then(|last| u64::try_from(last).ok()).unwrap_or(1) + 2;
    let behind = match asker.ask(size, far).await? {
        Ok(flat) => format!("{} sessions", flat.listed.len()),
        Err(Failed { word: Word::Nothing { status }, .. }) => format!("status {status}"),
        Err(Failed { word: Word::Silent(Silence::Status(status)), .. }) => format!("no answer ({status})"),
        Err(_) => "no answer".to_owned(),
    };
    let again = asker.ask(per_page, 1).await?.ok();
    let totals = [Some(&first), second.as_ref(), again.as_ref()].map(|flat| flat.and_then(|flat| flat.info.total));
    asker.times.sort_unstable();
    let length = first.info.total.and_then(|total| u64::try_from(total).ok()).unwrap_or(u64::from(size) * PAGES);
    let overlaps = honoured && can_overlap(length.min(u64::from(size) * PAGES), overlap, size);
    Ok(Report {
        total: first.info.total,
        total_is_stable: totals.iter().flatten().all(|total| Some(*total) == first.info.total),
        first_page: u64::from(!is_zero_based),
        page_size_asked: per_page.into(),
        page_size_given: has_more.then_some(given),
        sizes_are_honoured: honoured,
        newest_first: first.listed.is_sorted_by(|a, b| a.start >= b.start),
        behind_the_end: behind,
        latency_ms: u64::try_from(asker.times[asker.times.len() / 2].as_millis()).unwrap_or(u64::MAX),
        evidence: if overlaps { Evidence::Chain } else { Evidence::Twice },
    })
}

fn shares(a: &[Listed], b: &[Listed]) -> bool {
    a.iter().any(|row| b.iter().any(|other| other.id == row.id))
}

impl Report {
    /// For a machine.
    pub fn json(&self, would: &str) -> String {
        #[derive(Serialize)]
        struct Checked<'a> {
            #[serde(flatten)]
            report: &'a Report,
            would: &'a str,
        }
        let text = serde_json::to_string_pretty(&Checked { report: self, would }).unwrap_or_default();
        format!("{text}\n")
    }

    /// For a person.
    pub fn text(&self, would: &str) -> String {
        let total = self.total.and_then(|total| u64::try_from(total).ok());
        let total = total.map_or_else(|| "not given".to_owned(), grouped);
        let stable = if self.total_is_stable { "the same in every answer" } else { "changing while it was asked for" };
        let given = self.page_size_given.map_or_else(String::new, |given| format!(", {given} given"));
        let sizes =
            if self.sizes_are_honoured { "pages of other sizes are given as asked for" } else { "one page size only" };
        let order = if self.newest_first { "newest first" } else { "not newest first" };
        let ground = self.evidence.row().ground;
        let ground = if self.newest_first {
            ground.to_owned()
        } else {
            format!("{ground}; only while nothing changes, since the list is not newest first")
        };
        let mut text = String::new();
        for (name, value) in [
            ("token", "accepted".to_owned()),
            ("sessions", format!("{total}, {stable}")),
            ("first page", self.first_page.to_string()),
            ("page size", format!("{} asked for{given}; {sizes}", self.page_size_asked)),
            ("order", order.to_owned()),
            ("behind the end", self.behind_the_end.clone()),
            ("latency", format!("{} ms", self.latency_ms)),
            ("evidence", format!("{}: {ground}", self.evidence.row().name)),
            ("would read", would.to_owned()),
        ] {
            let _ = writeln!(text, "{name:<16}{value}");
        }
        text
    }
}
