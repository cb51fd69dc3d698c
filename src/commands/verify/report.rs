//! What `verify` says: for a person, and for a machine.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Serialize;

use super::accepted::Accepted;
use super::findings::{Damage, Findings, Notice};
use super::repair::{Done, recovery};
use crate::dataset::layout::Layout;
use crate::error::{Error, Kind};
use crate::rows::partition::Partition;
use crate::rows::tables::{Table, Tables};
use crate::store::Version;
use crate::terminal::summary::{grouped, size};
use crate::words::redact::{self, shown};

/// What was looked at, and what came of it.
#[derive(Debug)]
pub struct Report {
    dataset: String,
    /// How many partitions the dataset has.
    partitions: u64,
    /// How many published files were looked at.
    pub files: u64,
    /// Bytes of those files that could be read to their ends.
    pub bytes: u64,
    /// Rows in these files, by their own account.
    pub rows: Tables<u64>,
    /// Partitions whose rows were looked at.
    pub checked: Vec<Partition>,
    /// What is wrong, by path; empty where the dataset is sound.
    pub damages: Vec<Damage>,
    /// What is only worth knowing.
    pub notices: Vec<Notice>,
    /// Files whose bytes the state does not name, by path: the state names other bytes, or no such file.
    pub doubts: BTreeMap<String, Doubt>,
    /// What was read, by path: what each file was then, and its SHA-256.
    pub hashed: BTreeMap<String, (Version, String)>,
    repaired: Option<Done>,
    accepted: Option<Accepted>,
}

/// A file that is whole, and whose bytes the state does not name.
#[derive(Debug, Clone)]
pub struct Doubt {
    /// The partition that the file belongs to.
    pub partition: Partition,
    /// The table that its rows are of.
    pub table: Table,
    /// The version that was read: where the file has another one by now, it was replaced.
    pub version: Version,
    /// Its rows by its own account.
    pub rows: u64,
    /// The file's length in bytes.
    pub bytes: u64,
    /// The SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
}

impl Report {
    /// A report before any file was looked at. `partitions`: how many there are.
    pub fn new(layout: &Layout, partitions: u64) -> Self {
        Self {
            dataset: layout.place().trim_end_matches('/').to_owned(),
            partitions,
            files: 0,
            bytes: 0,
            rows: Tables::default(),
            checked: Vec::new(),
            damages: Vec::new(),
            notices: Vec::new(),
            doubts: BTreeMap::new(),
            hashed: BTreeMap::new(),
            repaired: None,
            accepted: None,
        }
    }

    /// Takes over what was found, once all was looked at.
    pub fn finish(&mut self, findings: Findings) {
        (self.damages, self.notices) = findings.close();
    }

    /// Whether nothing is damaged.
    pub const fn is_sound(&self) -> bool {
        self.damages.is_empty()
    }

    /// Whether what looks like damage is where a run was publishing, and may still be.
    pub fn may_be_under_way(&self) -> bool {
        self.damages.iter().any(|damage| damage.is_under_way)
    }

    /// What was damaged has been set aside, or would be. `present`: the partition of this moment.
    pub fn repaired(&mut self, layout: &Layout, present: Partition, done: Done) {
        for damage in &mut self.damages {
            if let Some(partition) = damage.partition {
                damage.next = recovery(layout, &BTreeSet::from([partition]), present).join(", ");
            } else if done.set_aside.contains(&damage.path) {
                "nothing more".clone_into(&mut damage.next);
            }
        }
        self.repaired = Some(done);
    }

    /// Some files were accepted, or would be: they are damaged no more.
    pub fn accepted(&mut self, done: Accepted) {
        let is_left = |path: &str| !done.files.iter().any(|accepted| accepted == path);
        self.damages.retain(|damage| is_left(&damage.path));
        self.notices.retain(|notice| is_left(&notice.path));
        self.accepted = Some(done);
    }

    /// The error of a dataset that is damaged.
    pub fn error(&self) -> Option<Error> {
        let count = self.damages.len();
        let noun = if count == 1 { "finding" } else { "findings" };
        let hint = match &self.repaired {
            None => "`rollbook verify --repair` sets bad files aside and says what to run then".to_owned(),
            Some(Done { is_dry: true, .. }) => "without --dry-run the files named above are set aside".to_owned(),
            Some(Done { set_aside, .. }) if set_aside.is_empty() => {
                "nothing could be repaired; see what is named next".to_owned()
            }
            Some(Done { commands, .. }) if commands.is_empty() => "run `rollbook verify` again".to_owned(),
            Some(Done { commands, .. }) => format!("run `{}`, then `rollbook verify` again", commands.join("`, `")),
        };
        let what = format!("the dataset is damaged ({count} {noun}): {}", self.dataset);
        (count > 0).then(|| Error::new(Kind::Damage, what).hint(hint))
    }

    /// For a machine. Field names are a contract.
    pub fn json(&self, layout: &Layout) -> String {
        let names = |partitions: &[Partition]| partitions.iter().map(|partition| layout.folder(*partition)).collect();
        let outcome = if self.is_sound() { "sound" } else { "damaged" };
        let Tables { sessions, participants, timelogs } = self.rows;
        let document = Document {
            dataset: &self.dataset,
            outcome,
            exit_code: if self.is_sound() { 0 } else { Kind::Damage.exit_code() },
            files: self.files,
            bytes: self.bytes,
            rows: Rows { sessions, participants, timelogs },
            partitions: self.partitions,
            partitions_checked: names(&self.checked),
            damages: self
                .damages
                .iter()
                .map(|Damage { path, what, next, .. }| Line { path, what, next: Some(next) })
                .collect(),
            notices: self.notices.iter().map(|Notice { path, what }| Line { path, what, next: None }).collect(),
            repaired: self.repaired.as_ref(),
            accepted: self.accepted.as_ref(),
        };
        redact::document(&document)
    }

    /// The report for a person: a verdict, what was read, and all damage with its next step.
    pub fn text(&self) -> String {
        let verdict = if self.is_sound() { "sound" } else { "DAMAGED" };
        let mut text = format!("{verdict}: {}\n", self.dataset);
        let _ = writeln!(text, "files: {} read and hashed, {}", grouped(self.files), size(self.bytes));
        let rows = self.rows.iter().map(|(table, rows)| format!("{} {}", grouped(*rows), table.name()));
        let checked = match (self.checked.len() as u64, self.partitions) {
            (checked, all) if checked == all => "checked in all partitions".to_owned(),
            (checked, all) => format!("checked in {} of {} partitions", grouped(checked), grouped(all)),
        };
        let _ = writeln!(text, "rows: {} ({checked})", rows.collect::<Vec<_>>().join(", "));
        let damages = self.damages.iter().map(|Damage { path, what, next, .. }| (path, what, Some(next)));
        list(&mut text, "damage", damages);
        list(&mut text, "notice", self.notices.iter().map(|Notice { path, what }| (path, what, None)));
        if let Some(done) = &self.repaired {
            text.push_str(&done.text());
        }
        if let Some(done) = &self.accepted {
            text.push_str(&done.text());
        }
        text
    }
}

/// Lists findings by path, each path once, with its next step behind the last finding.
fn list<'a>(text: &mut String, name: &str, lines: impl Iterator<Item = (&'a String, &'a String, Option<&'a String>)>) {
    let lines: Vec<_> = lines.collect();
    for (at, (path, what, next)) in lines.iter().enumerate() {
        if at == 0 || lines[at - 1].0 != *path {
            let _ = writeln!(text, "{name}: {}", shown(path));
        }
        let _ = writeln!(text, "  {}", shown(what));
        if let Some(next) = next.filter(|_| lines.get(at + 1).is_none_or(|line| line.0 != *path)) {
            let _ = writeln!(text, "  next: {}", shown(next));
        }
    }
}

#[derive(Serialize)]
struct Document<'a> {
    dataset: &'a str,
    outcome: &'static str,
    exit_code: u8,
    files: u64,
    bytes: u64,
    rows: Rows,
    partitions: u64,
    partitions_checked: Vec<String>,
    damages: Vec<Line<'a>>,
    notices: Vec<Line<'a>>,
    repaired: Option<&'a Done>,
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted: Option<&'a Accepted>,
}

#[derive(Serialize)]
struct Rows {
    sessions: u64,
    participants: u64,
    timelogs: u64,
}

#[derive(Serialize)]
struct Line<'a> {
    path: &'a str,
    what: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<&'a str>,
}
