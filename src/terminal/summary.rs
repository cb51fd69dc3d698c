//! What a run says to a person when it is done.

use std::fmt::Write as _;

use crate::dataset::erasures::{Erasures, Match, Rule, Taken, What};
use crate::dataset::receipt::purged::{Near, Removed, Ruled};
use crate::dataset::receipt::{Changes, Goal, Holds, Receipt};
use crate::words::name;
use crate::words::redact::shown;

/// The summary of a run, ending in a line break.
pub fn of(receipt: &Receipt, dataset: &str, dry_run: bool) -> String {
    let verb = if dry_run { "read (dry run, nothing written)" } else { "exported" };
    let mut text = format!("{verb}: {} ({})\n", counted(receipt.sessions, "session"), changes(receipt, dry_run));
    let _ = writeln!(text, "read: {}", read(receipt));
    if !dry_run {
        let Holds { sessions, files, .. } = receipt.dataset;
        let replaced: Vec<_> = receipt.partitions.iter().filter(|file| file.changed).collect();
        let bytes = size(replaced.iter().map(|file| file.bytes).sum());
        let (sessions, files) = (counted(sessions, "session"), counted(files, "file"));
        let replaced = grouped(replaced.len() as u64);
        let _ =
            writeln!(text, "dataset: {dataset}, now {sessions} in {files}; written in this run: {replaced} ({bytes})");
    }
    let timing = receipt.timing;
    let _ = writeln!(
        text,
        "time: {:.2} s ({:.2} s reading in {}, {:.2} s publishing)",
        timing.total_s,
        timing.walk_s,
        counted(receipt.walk.counts.requests, "request"),
        timing.publish_s
    );
    let proof =
        if receipt.exit_code == 3 && receipt.outcome == "not_proven" { "NOT PROVEN complete" } else { "complete" };
    let _ = writeln!(
        text,
        "{proof}: {}",
        receipt.walk.reasons.iter().map(|reason| shown(reason)).collect::<Vec<_>>().join("; ")
    );
    if receipt.rejects.total > 0 {
        let (total, new) = (counted(receipt.rejects.total, "record"), grouped(receipt.rejects.new));
        let kept =
            if dry_run { String::new() } else { format!(", kept raw in _rollbook/rejects/{}.jsonl", receipt.run_id) };
        let without_id = match receipt.rejects.without_id {
            0 => String::new(),
            number => format!(", {} without an id", grouped(number)),
        };
        let _ = writeln!(text, "rejects: {total} ({new} new{without_id}){kept}");
    }
    text
}

/// The summary of a purge, ending in a line break.
pub fn of_purge(receipt: &Receipt, dataset: &str, dry_run: bool) -> String {
    if let Some(number) = receipt.taken_back {
        let verb = if dry_run { "would be taken back (dry run, nothing written)" } else { "taken back" };
        return format!("{verb}: rule {number}; the next export reads everything\n");
    }
    let Removed { sessions, participants, timelogs, rejects } = receipt.removed.unwrap_or_default();
    let verb = if dry_run { "would go (dry run, nothing written)" } else { "removed" };
    let [sessions, participants, timelogs, rejects] = [sessions, participants, timelogs, rejects].map(grouped);
    let mut text = format!(
        "{verb}: {sessions} sessions, {participants} participants, {timelogs} timelogs, {rejects} raw records\n"
    );
    for Ruled { number, what, matched, is_new, removed } in &receipt.rules {
        let rule = number.map_or_else(|| "a new rule".to_owned(), |number| format!("rule {number}"));
        let age = if *is_new { "" } else { ", in force already" };
        let is_doubtful = dry_run && *is_new && *what != What::Before && *removed == Taken::default();
        let doubt =
            if is_doubtful { " in the dataset matches; without --dry-run that must be confirmed (--yes)" } else { "" };
        let _ = writeln!(text, "{rule} ({}{age}): {}{doubt}", kind(*what, *matched), taken(*removed));
    }
    if !receipt.near_matches.is_empty() {
        text.push_str("near matches, which stay; a name that is meant must be given, too:\n");
        for Near { name, entries } in &receipt.near_matches {
            let _ = writeln!(text, "  {}: {}", name::quoted(name), entries_of(*entries));
        }
    }
    for place in &receipt.unreached {
        let _ = writeln!(text, "not reached, and may hold what was purged: {}", shown(place));
    }
    if !dry_run {
        let _ = writeln!(text, "dataset: {dataset} ({} files rewritten)", receipt.partitions.len());
        let _ = writeln!(text, "kept out from now on by: _rollbook/erasures.json; back it up with the dataset");
    }
    text
}

/// The rules in force in a dataset, a line each.
pub fn of_rules(erasures: &Erasures, dataset: &str) -> String {
    if erasures.rules().is_empty() {
        return format!("no rules are in force: {dataset}\n");
    }
    let mut text = format!("{:>4}  {:<44}  {:<24}  {:<28}  receipt\n", "rule", "kept out", "since", "removed by it");
    for rule in erasures.rules() {
        let Rule { number, what, matched, before, made_at, run_id, removed, .. } = rule;
        let what = before
            .as_ref()
            .map_or_else(|| kind(*what, *matched), |before| format!("sessions before {}", shown(before)));
        let since = shown(made_at.as_deref().unwrap_or("not known"));
        let removed = removed.map_or_else(|| "not known".to_owned(), taken);
        let receipt =
            run_id.as_ref().map_or_else(|| "not known".to_owned(), |run| format!("_rollbook/runs/{}.json", shown(run)));
        let _ = writeln!(text, "{number:>4}  {what:<44}  {since:<24}  {removed:<28}  {receipt}");
    }
    if erasures.rules().iter().any(Rule::is_idle) {
        text.push_str("one by which nothing was removed can be taken back: rollbook purge --take-back NUMBER\n");
    }
    text
}

/// The same as JSON: a list `rules` of objects; a key that is not there is not known.
pub fn rules_json(erasures: &Erasures) -> String {
    let rule = |rule: &Rule| {
        let mut value = serde_json::to_value(rule).unwrap_or_default();
        if let Some(fields) = value.as_object_mut() {
            // These matter to the file alone.
            for name in ["hash", "epoch", "is_unsettled"] {
                fields.remove(name);
            }
            fields.insert("can_be_taken_back".to_owned(), rule.is_idle().into());
        }
        value
    };
    let rules: Vec<_> = erasures.rules().iter().map(rule).collect();
    format!("{:#}\n", serde_json::json!({ "rules": rules }))
}

/// What a rule is about, in words.
fn kind(what: What, matched: Option<Match>) -> String {
    let what = match what {
        What::Before => "sessions before a time",
        What::ParticipantId => "a participant's id",
        What::ParticipantName => "a participant's name",
        What::ParticipantIdOrName => "a participant's id or name",
    };
    match matched {
        None => what.to_owned(),
        Some(Match::Exact) => format!("{what}, exact"),
        Some(Match::Normalised) => format!("{what}, however typed"),
    }
}

fn taken(taken: Taken) -> String {
    let Taken { sessions, participants, rejects } = taken;
    let parts = [
        (sessions, counted(sessions, "session")),
        (participants, entries_of(participants)),
        (rejects, counted(rejects, "raw record")),
    ];
    let parts: Vec<_> = parts.into_iter().filter(|(number, _)| *number > 0).map(|(_, text)| text).collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}

fn entries_of(number: u64) -> String {
    if number == 1 { "1 entry".to_owned() } else { format!("{} entries", grouped(number)) }
}

/// What a run has to cover.
pub fn goal(goal: &Goal) -> String {
    let Goal { kind, from, to, since: _, meeting_ids, why } = goal;
    let mut text = match (*kind, from, to) {
        ("nightly", Some(from), _) => format!("sessions since {from}"),
        ("full", Some(from), _) => format!("all sessions since {from}"),
        ("range", Some(from), Some(to)) => format!("sessions from {from} to {to}"),
        _ => "the whole list".to_owned(),
    };
    if !meeting_ids.is_empty() {
        let _ = write!(text, " of {}", meeting_ids.join(", "));
    }
    if let Some(why) = why {
        let _ = write!(text, " ({why})");
    }
    text
}

/// How the sessions that were read compare with the dataset before.
fn changes(receipt: &Receipt, dry_run: bool) -> String {
    let Changes { new, updated, unchanged } = receipt.changes;
    let [new, known, running] = [new, updated + unchanged, receipt.open_sessions].map(grouped);
    if dry_run {
        return format!("{new} new, {known} known before; {running} still running");
    }
    let [updated, unchanged] = [updated, unchanged].map(grouped);
    format!("{new} new, {updated} updated, {unchanged} unchanged; {running} still running")
}

/// What the run had to read, and what it found besides.
fn read(receipt: &Receipt) -> String {
    let mut text = goal(&receipt.goal);
    let vanished = &receipt.walk.vanished;
    if vanished.asked > 0 {
        let gone = vanished.gone.len();
        let asked = counted(vanished.asked, "session");
        let _ =
            write!(text, "; {asked} asked for one by one, {gone} of them no longer known to the API (their rows stay)");
    }
    if !vanished.unreachable.is_empty() {
        let _ = write!(text, "; unreachable: {}", counted(vanished.unreachable.len() as u64, "session"));
    }
    if !receipt.walk.unlisted_meetings.is_empty() {
        let _ = write!(text, "; nothing is listed of: {}", receipt.walk.unlisted_meetings.join(", "));
    }
    if receipt.walk.late > 0 {
        let _ = write!(text, "; not known before: {}", counted(receipt.walk.late, "older session"));
    }
    text
}

/// A number with its noun: `1 file`, `1,234 files`.
pub fn counted(number: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// A number with its thousands apart.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of bytes, in decimal units.
#[allow(clippy::cast_precision_loss)] // shown with one decimal
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_read_well() {
        assert_eq!(super::grouped(1_234_567), "1,234,567");
        assert_eq!(super::grouped(12), "12");
        assert_eq!([0, 1, 1_000].map(|n| super::counted(n, "file")), ["0 files", "1 file", "1,000 files"]);
        assert_eq!(super::size(1_234_567), "1.2 MB");
    }
}
