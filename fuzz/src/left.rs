//! A stage that a stopped run has left, and a run that goes on with what was made of it.

use std::fs;
use std::io::Write;
use std::ops::Range;

use rollbook::dataset::identity::{self, Bits, Questions};
use rollbook::dataset::layout::Layout;
use rollbook::dataset::merge::{Merge, Sources};
use rollbook::error::Result;
use rollbook::list::Window;
use rollbook::rows::flatten::Flat;
use rollbook::rows::method::Method;
use rollbook::rows::partition::PartitionBy;
use rollbook::stage::STAGED;
use rollbook::stage::{Header, Recalled, Stage};
use rollbook::store::files::Below;
use rollbook::walk::{Goal, Plan, Settings};
use serde_json::Value;
use tempfile::TempDir;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::{SESSIONS, flat};

/// The stage of a run that was stopped after its first page.
pub struct Left {
    folder: TempDir,
    layout: Layout,
    flat: Flat,
    rows: Vec<u8>,
    identities: Vec<u8>,
    /// Of the journal, without their sums.
    lines: Vec<Vec<u8>>,
}

impl Left {
    /// Stages the page.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("there is a folder for temporary files");
        let layout = Layout::local(folder.path().join("unused"), PartitionBy::Month);
        let mut left =
            Self { folder, layout, flat: flat(), rows: Vec::new(), identities: Vec::new(), lines: Vec::new() };
        let (mut stage, _) = left.open();
        left.append(&mut stage, 1);
        let [rows, identities, journal] = STAGED.map(|name| fs::read(left.folder.path().join(name)).expect(name));
        let text = |line: &[u8]| line.split(|byte| *byte == b' ').skip(1).collect::<Vec<_>>().join(&b' ');
        left.lines = journal.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(text).collect();
        (left.rows, left.identities) = (rows, identities);
        drop(stage);
        assert_eq!(left.goes_on(&left.rows, &left.lines), 1, "what was left can be used");
        left
    }

    /// Goes on with other lines in the journal; each gets its right sum, and each response that of its rows.
    pub fn with_journal(&self, journal: &[u8]) {
        let lines: Vec<_> = journal.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        self.goes_on(&self.rows, &lines);
    }

    /// Goes on with another segment in place of the page's.
    pub fn with_segment(&self, segment: &[u8]) {
        let mut lines = self.lines.clone();
        let mut record: Value = serde_json::from_slice(&lines[1]).expect("a response is JSON");
        record["end"] = segment.len().into();
        record["segments"][0]["length"] = segment.len().into();
        lines[1] = record.to_string().into_bytes();
        self.goes_on(segment, &lines);
    }

    /// The journal as [`Self::with_journal`] takes it.
    pub fn journal(&self) -> Vec<u8> {
        self.lines.join(&b'\n')
    }

    /// The segment of the page.
    pub fn segment(&self) -> &[u8] {
        &self.rows
    }

    /// Reads everything back and stages one more page; how many responses could be used. Whatever was left, the run goes
    /// on, and so does the one after it.
    fn goes_on(&self, rows: &[u8], lines: &[Vec<u8>]) -> usize {
        let journal = self.sealed(rows, lines);
        for (name, bytes) in STAGED.into_iter().zip([rows, &self.identities, &journal]) {
            fs::write(self.folder.path().join(name), bytes).expect(name);
        }
        let (mut stage, recalled) = self.open();
        let mut plan = Plan::new(Goal::Full, Settings::default(), false);
        for Recalled { window, info, rows, unusable, .. } in recalled.clone() {
            plan.recall(window, info, rows, unusable);
        }
        plan.next(4);
        let _ = stage.recalled_rejects(|_, _| Ok(()));
        let _ = publish(&stage);
        self.append(&mut stage, 2);
        drop(stage);
        assert_eq!(self.open().1.len(), recalled.len() + 1);
        recalled.len()
    }

    fn open(&self) -> (Stage, Vec<Recalled>) {
        let (key, run_id) = ("key".to_owned(), "run".to_owned());
        let header = Header { key, erasures: 0, begun_at: 0, run_id, last_run: None, rule: String::new() };
        Stage::open(&Below::named(self.folder.path()), self.layout.by(), &header, false).expect("damage ends no run")
    }

    fn append(&self, stage: &mut Stage, page: u64) {
        let window = Window { size: 3, page };
        stage.append(&self.flat, self.layout.by(), Some((0, window))).expect("there is room");
    }

    fn sealed(&self, rows: &[u8], lines: &[Vec<u8>]) -> Vec<u8> {
        let (mut begin, mut journal) = ([0, 0], Vec::new());
        for line in lines {
            let mut line = line.clone();
            if let Ok(Value::Object(mut record)) = serde_json::from_slice(&line)
                && let [Some(end), Some(sessions)] = ["end", "sessions"].map(|name| record.get(name)?.as_u64())
            {
                let end = [end, sessions.saturating_mul((self.identities.len() / SESSIONS) as u64)];
                let mut hasher = Xxh3::new();
                hasher.update(part(rows, begin[0]..end[0]));
                hasher.update(part(&self.identities, begin[1]..end[1]));
                record.insert("hash".to_owned(), hasher.digest().into());
                line = Value::Object(record).to_string().into_bytes();
                begin = end;
            }
            let _ = write!(journal, "{:016x} ", xxh3_64(&line));
            journal.append(&mut line);
            journal.push(b'\n');
        }
        journal
    }
}

impl Default for Left {
    fn default() -> Self {
        Self::new()
    }
}

fn part(bytes: &[u8], Range { start, end }: Range<u64>) -> &[u8] {
    let [start, end] = [start, end].map(|at| usize::try_from(at).unwrap_or(usize::MAX));
    bytes.get(start..end).unwrap_or_default()
}

/// What a run does with its stage at the end, but for the writing.
fn publish(stage: &Stage) -> Result<()> {
    let lost = identity::resolve(stage, &[], &Questions::default())?.lost;
    for partition in stage.partitions() {
        let (segments, superseded) = (stage.segments(partition), Bits::default());
        stage.is_heavy(partition);
        Merge::new(Sources { stage, method: &Method::default(), segments, lost: &lost, published: None, superseded })?.run(|_| Ok(()))?;
    }
    Ok(())
}
