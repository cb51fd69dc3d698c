//! `verify --accept PATH`: a sound file whose bytes no record knows is taken as it is, by somebody who knows why.
//!
//! The state names it from then on, and a receipt of its own says so. It may lack sessions, so the next export reads
//! everything.

use std::collections::{BTreeMap, BTreeSet};

use super::accepted::Accepted;
use super::report::{Doubt, Report};
use crate::dataset::lake;
use crate::dataset::layout::Layout;
use crate::dataset::receipt::{self, Receipt};
use crate::dataset::state::{Recorded, State};
use crate::error::{Error, Kind, Result};
use crate::rows::partition::Partition;

/// Takes files of a dataset as they are, where they are sound and so is what belongs to them. `receipt` is blank; `None`
/// where nothing may be written. The right to write must be held.
///
/// # Errors
/// `Config` where a path is none of the dataset's files, or its bytes are known; `Destination`.
pub fn accept(
    layout: &Layout,
    report: &mut Report,
    paths: &[String],
    receipt: Option<Receipt>,
) -> Result<Option<Receipt>> {
    let (taken, refused) = sorted(layout, report, paths)?;
    let done = Accepted { is_dry: receipt.is_none(), files: taken.keys().cloned().collect(), refused };
    let mut receipt = receipt.filter(|_| !taken.is_empty());
    if let Some(receipt) = &mut receipt {
        let files = taken.iter().map(|(path, doubt)| (path.clone(), recorded(doubt))).collect();
        // The next export begins new snapshots, with these files.
        lake::end(layout)?;
        State::accept(layout, &files, &receipt.run_id)?;
        receipt.partitions = taken.iter().map(|(path, doubt)| file(path, doubt)).collect();
        receipt.erasures = receipt::past::named(layout)?.1;
        receipt.goal.kind = "accept";
    }
    report.accepted(done);
    if let Some(receipt) = &mut receipt {
        (receipt.exit_code, receipt.outcome) = report.error().map_or((0, "accepted"), |error| error.outcome());
    }
    Ok(receipt)
}

/// The files that can be taken, by path, and the paths of those that are refused: they, or what belongs to them, are damaged.
fn sorted(layout: &Layout, report: &Report, paths: &[String]) -> Result<(BTreeMap<String, Doubt>, Vec<String>)> {
    let (mut taken, mut refused) = (BTreeMap::new(), Vec::new());
    for path in paths {
        let path = relative(layout, path)?;
        let is_damaged = report.damages.iter().any(|damage| damage.path == path);
        match report.doubts.get(&path).filter(|doubt| is_sound(report, doubt)) {
            Some(doubt) => drop(taken.insert(path, doubt.clone())),
            None if is_damaged || report.doubts.contains_key(&path) => refused.push(path),
            None => {
                let place = layout.store().place(&path);
                return Err(Error::new(
                    Kind::Config,
                    format!("the file's bytes are known, or it is not there: {place}"),
                )
                .hint("`rollbook verify` shows which files need anything"));
            }
        }
    }
    Ok((taken, refused))
}

/// A file as the state names it.
fn recorded(doubt: &Doubt) -> Recorded {
    Recorded { rows: doubt.rows, sha256: doubt.sha256.clone(), mark: Some(doubt.version.mark().to_owned()) }
}

/// A file as a receipt names it.
fn file(path: &str, doubt: &Doubt) -> receipt::File {
    receipt::File {
        table: doubt.table.name(),
        path: path.to_owned(),
        rows: doubt.rows,
        bytes: doubt.bytes,
        sha256: doubt.sha256.clone(),
        changed: false,
    }
}

/// The partitions of files that somebody vouches for.
///
/// # Errors
/// `Config` where a path is none of a published file.
pub fn vouched(layout: &Layout, paths: &[String]) -> Result<BTreeSet<Partition>> {
    let partition = |path: &String| relative(layout, path).map(|path| layout.partition_of(&path));
    paths.iter().filter_map(|path| partition(path).transpose()).collect()
}

/// A path as the dataset knows it, also where it was given as a person finds it.
fn relative(layout: &Layout, path: &str) -> Result<String> {
    let place = layout.store().place(path);
    let root = layout.place();
    let shorter = path.strip_prefix(root.trim_end_matches('/')).map_or(path, |rest| rest.trim_start_matches('/'));
    let shorter = shorter.trim_start_matches("./");
    match layout.partition_of(shorter) {
        Some(_) => Ok(shorter.to_owned()),
        None => Err(Error::new(Kind::Config, format!("not the path of a published file: {place}"))
            .hint("give it as `rollbook verify` prints it, such as sessions/start_month=2026-11/part-0.parquet")),
    }
}

/// Whether nothing else is wrong in the file's partition than that bytes are not known.
fn is_sound(report: &Report, doubt: &Doubt) -> bool {
    report.damages.iter().all(|damage| damage.partition != Some(doubt.partition) || damage.is_unknown)
}
