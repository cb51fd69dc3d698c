//! Why a run whose data is written ends with exit code 3: for the log, where whoever is woken looks first, whatever is printed
//! to stdout.

use crate::dataset::receipt::{Receipt, Rejects};
use crate::error::{Error, Kind};
use crate::terminal::summary::counted;
use crate::walk::Evidence;

/// The error of an export that falls short of something. `accept` and `max_rejects`: the settings.
pub fn of(shortfall: Kind, receipt: &Receipt, accept: Evidence, max_rejects: u64, dry_run: bool) -> Error {
    match shortfall {
        Kind::Rejected => rejected(receipt, max_rejects, dry_run),
        _ => unproven(receipt, accept, dry_run),
    }
}

/// The same of a purge: files that were an older run's.
pub fn of_purge(receipt: &Receipt) -> Error {
    let what = "older copies of files had been put back";
    Error::new(Kind::Unproven, what).because(receipt.walk.reasons.join("; ")).hint("run `rollbook export`")
}

fn unproven(receipt: &Receipt, accept: Evidence, dry_run: bool) -> Error {
    let evidence = receipt.walk.evidence;
    let mut causes = receipt.walk.reasons.clone();
    if (Evidence::Total..accept).contains(&evidence) {
        let [found, wanted] = [evidence, accept].map(|evidence| evidence.row().name);
        causes.insert(0, format!("the evidence is `{found}`, and `walk.accept` asks for `{wanted}`"));
    }
    if receipt.rejects.new > 0 {
        causes.push(format!("besides, {}", unread(&receipt.rejects)));
    }
    let what = if dry_run {
        "what was read is not shown to be complete (dry run, nothing written)"
    } else {
        "the data is written, but not shown to be complete"
    };
    Error::new(Kind::Unproven, what)
        .because(causes.join("; "))
        .hint("the data can be used; run the same command again, and if the exit code stays 3, look at `walk.reasons` in the receipt and at the API")
}

fn rejected(receipt: &Receipt, max_rejects: u64, dry_run: bool) -> Error {
    let unread = unread(&receipt.rejects);
    let error = if dry_run {
        Error::new(Kind::Rejected, format!("{unread} (dry run, nothing written)"))
            .hint("a run without --dry-run keeps them raw, below _rollbook/rejects/ in the dataset")
    } else {
        let place = format!("_rollbook/rejects/{}.jsonl", receipt.run_id);
        Error::new(Kind::Rejected, format!("the data is written, but {unread}"))
            .hint(format!("look at them in {place} in the dataset; the next run ends with 0 unless there are others"))
    };
    error.because(format!("`dataset.max_rejects` is {max_rejects}"))
}

/// `3 new records could not be read whole (bad_timestamp: 1, no_usable_id: 2)`
fn unread(rejects: &Rejects) -> String {
    let each = rejects.reasons.iter().map(|(reason, count)| format!("{}: {count}", reason.replace(',', "+")));
    let each = each.collect::<Vec<_>>().join(", ");
    format!("{} could not be read whole ({each})", counted(rejects.new, "new record"))
}
