//! What a run says to a person when it is done.

use std::fmt::Write as _;

use crate::dataset::receipt::{Goal, Receipt};

/// The summary of a run, ending in a line break.
pub fn of(receipt: &Receipt, dataset: &str, dry_run: bool) -> String {
    let verb = if dry_run { "read (dry run, nothing written)" } else { "exported" };
    let mut text = format!(
        "{verb}: {} sessions ({} still running)\n",
        grouped(receipt.walk.distinct),
        grouped(receipt.open_sessions)
    );
    let _ = writeln!(text, "covered: {}", covered(receipt));
    if !dry_run {
        let bytes: u64 = receipt.partitions.iter().map(|file| file.bytes).sum();
        let changed = receipt.partitions.iter().filter(|file| file.changed).count();
        let files = receipt.partitions.len();
        let _ = writeln!(text, "dataset: {dataset} ({files} files, {changed} of them changed, {})", size(bytes));
    }
    let timing = receipt.timing;
    let _ = writeln!(
        text,
        "time: {:.2} s ({:.2} s reading in {} requests, {:.2} s publishing)",
        timing.total_s,
        timing.walk_s,
        grouped(receipt.walk.requests),
        timing.publish_s
    );
    let proof =
        if receipt.exit_code == 3 && receipt.outcome == "not_proven" { "NOT PROVEN complete" } else { "complete" };
    let _ = writeln!(text, "{proof}: {}", receipt.walk.reasons.join("; "));
    if receipt.rejects.total > 0 {
        let _ = writeln!(
            text,
            "rejects: {} records kept raw, {} of them new: _rollbook/rejects/{}.jsonl",
            grouped(receipt.rejects.total),
            grouped(receipt.rejects.new),
            receipt.run_id
        );
    }
    text
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

/// What the run had to cover, and what it found besides.
fn covered(receipt: &Receipt) -> String {
    let mut text = goal(&receipt.goal);
    let vanished = &receipt.walk.vanished;
    if vanished.asked > 0 {
        let gone = vanished.gone.len();
        let _ = write!(text, "; {} sessions asked for one by one, {gone} of them gone", vanished.asked);
    }
    if receipt.walk.late > 0 {
        let _ = write!(text, "; {} older sessions were not known before", grouped(receipt.walk.late));
    }
    text
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
        assert_eq!(super::size(1_234_567), "1.2 MB");
    }
}
