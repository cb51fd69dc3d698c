//! The kept records for a person, by reason and cut short, and for a machine, with their texts.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::found::{Found, Record};
use super::trial::Now;
use crate::dataset::rejects::{DAYS, Kept};
use crate::terminal::summary::{counted, grouped};
use crate::words::redact::{self, one_line, shown};

/// Characters of a record's text that a person is shown.
const EXCERPT: usize = 160;
/// Records of a reason that a person is shown.
const OF_REASON: usize = 10;

/// What was found, and whether records were read once more.
pub struct Report<'a> {
    /// The dataset as a person would find it.
    pub dataset: &'a str,
    /// The records that are kept, and how many for which reason.
    pub found: &'a Found,
    /// Whether records were read once more.
    pub tries: bool,
}

impl Report<'_> {
    /// For a person, ending in a line break.
    pub fn text(&self) -> String {
        let Self { dataset, found, tries } = *self;
        let (total, dataset) = (found.total(), shown(dataset));
        let mut text = if total == 0 {
            format!("no records are kept that could not be read: {dataset}\n")
        } else {
            format!("{} could not be read, or not all of them: {dataset}\n", counted(total, "record"))
        };
        let mut reasons: Vec<_> = found.reasons.iter().collect();
        reasons.sort_by_key(|(reason, number)| (std::cmp::Reverse(**number), *reason));
        for (reason, number) in reasons {
            let _ = writeln!(text, "\n{}: {}", shown(reason), counted(*number, "record"));
            let of_reason = found.records.iter().filter(|record| record.kept.reason == *reason);
            of_reason.take(OF_REASON).for_each(|record| self::record(&mut text, record, tries));
            if let Some(more) = number.checked_sub(OF_REASON as u64).filter(|more| *more > 0) {
                let _ = writeln!(text, "  and {} more; --json lists them", grouped(more));
            }
        }
        if tries && total > 0 {
            text.push_str(&outcome(found));
        }
        if found.hashed > 0 {
            let hashed = counted(found.hashed, "older record");
            let _ = writeln!(text, "\nnot shown: {hashed}; their texts are kept for {DAYS} days");
        }
        for path in &found.damaged {
            let _ = writeln!(text, "\nnotice: {}\n  the file holds what is no record of rollbook's", shown(path));
        }
        text
    }

    /// For a machine. Field names are a contract.
    pub fn json(&self) -> String {
        let Self { dataset, found, tries: _ } = *self;
        let records: Vec<_> = found.records.iter().map(Line::of).collect();
        let not_listed = found.total() - records.len() as u64;
        redact::document(&Document {
            dataset,
            total: found.total(),
            not_listed,
            hashed: found.hashed,
            reasons: &found.reasons,
            rejects: records,
            damaged: &found.damaged,
        })
    }
}

fn record(text: &mut String, record: &Record, tries: bool) {
    let Record { kept, times, now } = record;
    let Kept { run_id, page, index, session_id, raw, .. } = kept;
    let id = session_id.as_deref().map_or_else(String::new, |id| format!(", session {}", one_line(id, EXCERPT)));
    let again = if *times > 1 { format!(" (and {} earlier)", counted(times - 1, "run")) } else { String::new() };
    let _ = writeln!(text, "  run {}{again}, page {page}, place {index}{id}", shown(run_id));
    let excerpt = raw.as_deref().map(|raw| one_line(raw, EXCERPT)).filter(|excerpt| !excerpt.is_empty());
    let _ = writeln!(text, "    {}", excerpt.as_deref().unwrap_or("(its text is not known)"));
    if tries {
        let _ = writeln!(text, "    now: {}", now.as_ref().map_or_else(|| NOT_WHOLE.to_owned(), verdict));
    }
}

/// Stands where the text of a record shows nothing.
const NOT_WHOLE: &str = "can't be told, since the kept text is not whole";

/// What a record would become, as in `a session with 2 participants and 3 timelogs`, or why no row.
fn verdict(now: &Now) -> String {
    let Now { sessions, participants, timelogs, reason } = now;
    let left = reason.as_deref().map_or_else(String::new, |reason| format!(", not all of it read: {}", shown(reason)));
    match sessions {
        0 => format!("no row: {}", shown(reason.as_deref().unwrap_or_default())),
        _ => format!(
            "a session with {} and {}{left}",
            counted(*participants, "participant"),
            counted(*timelogs, "timelog")
        ),
    }
}

/// How many would be read now, in a line, and what to do about it.
fn outcome(found: &Found) -> String {
    let tried = || found.records.iter().filter_map(|record| record.now.as_ref());
    let whole = tried().filter(|now| now.sessions > 0 && now.reason.is_none()).count() as u64;
    let part = tried().filter(|now| now.sessions > 0 && now.reason.is_some()).count() as u64;
    let none = tried().filter(|now| now.sessions == 0).count() as u64;
    let (whole_text, part, none) = (grouped(whole), grouped(part), grouped(none));
    let next =
        if whole > 0 { "`rollbook export --full` reads such sessions anew where they are still listed\n" } else { "" };
    format!("\nnow read whole: {whole_text}, in part: {part}, not at all: {none}\n{next}")
}

#[derive(Serialize)]
struct Document<'a> {
    dataset: &'a str,
    /// Different records that are kept raw.
    total: u64,
    /// Of these, how many are not in the list: it is bounded.
    not_listed: u64,
    /// Different records of which only a hash is left.
    hashed: u64,
    reasons: &'a BTreeMap<String, u64>,
    rejects: Vec<Line<'a>>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    damaged: &'a [String],
}

#[derive(Serialize)]
struct Line<'a> {
    run_id: &'a str,
    page: u64,
    index: usize,
    reason: &'a str,
    session_id: Option<&'a str>,
    /// In how many runs' files it is.
    runs: u64,
    /// Null where there was no room for it.
    raw: Option<&'a str>,
    /// With `--try`, and there null where the text is not whole.
    now: Option<&'a Now>,
}

impl<'a> Line<'a> {
    fn of(record: &'a Record) -> Self {
        let Record { kept, times, now } = record;
        let Kept { run_id, page, index, reason, session_id, raw, .. } = kept;
        Self {
            run_id,
            page: *page,
            index: *index,
            reason,
            session_id: session_id.as_deref(),
            runs: *times,
            raw: raw.as_deref(),
            now: now.as_ref(),
        }
    }
}
