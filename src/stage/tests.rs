use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::rows::chunk::Chunk;
use crate::rows::flatten::{self, Options};
use crate::rows::method::Method;
use crate::rows::partition::{Partition, PartitionBy};
use crate::words::range::{Kept, Range};

fn below(folder: &tempfile::TempDir) -> Below {
    Below::named(folder.path())
}

fn header(key: &str) -> Header {
    Header {
        key: key.to_owned(),
        erasures: 0,
        begun_at: 0,
        run_id: "first".to_owned(),
        last_run: None,
        rule: String::new(),
    }
}

/// Few ids and starts, so that they meet; now and then none, or one that can't be used.
fn record() -> impl Strategy<Value = String> {
    let start = prop_oneof![
        6 => (0..30_u32).prop_map(|second| format!("\"2026-11-01T10:00:{second:02}.000Z\"")),
        2 => (10..12_u32).prop_map(|month| format!("\"2026-{month}-01T00:00:00.000Z\"")),
        1 => Just("null".to_owned()),
    ];
    let id = prop_oneof![8 => (0..6_u32).prop_map(|id| format!("\"s{id}\"")), 1 => Just("null".to_owned())];
    let end = prop_oneof![Just("null"), Just("\"2026-11-01T10:01:00.000Z\"")];
    let record = (id, start, end).prop_map(|(id, start, end)| format!(r#"{{"id":{id},"start":{start},"end":{end}}}"#));
    prop_oneof![12 => record, 1 => Just("7".to_owned())]
}

fn kept() -> impl Strategy<Value = Kept> {
    let at = |second: i64| 1_793_527_200_000_000 + second * 1_000_000;
    let range = (0..20_i64, 1..20_i64).prop_map(move |(from, long)| Range { from: at(from), to: at(from + long) });
    (prop::option::of(range), prop::option::of((0..25_i64).prop_map(at)))
        .prop_map(|(range, since)| Kept { range, since })
}

fn append_all(stage: &mut Stage, flats: &[Flat], from: usize) {
    for (page, flat) in (1..).zip(flats).skip(from) {
        let window = Window { size: 7, page };
        stage.append(flat, PartitionBy::Day, Some(Asked { leg: 0, window, at: 0 })).unwrap();
    }
}

fn opened(folder: &tempfile::TempDir, header: &Header) -> (Stage, Vec<Recalled>) {
    Stage::open(&below(folder), PartitionBy::Day, header, false).unwrap()
}

proptest! {
    #[test]
    fn what_a_stopped_run_was_shown_is_recalled_as_far_as_it_is_whole(
        pages in prop::collection::vec(prop::collection::vec(record(), 0..12), 0..6),
        kept in kept(),
        torn in prop::option::of((0..3_usize, 1..200_u64)),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { kept, ..Options::default() };
        let flat = |page: &Vec<String>| {
            flatten::page(format!(r#"{{"data":[{}]}}"#, page.join(",")), &options).unwrap()
        };
        let flats: Vec<_> = pages.iter().map(flat).collect();
        let open = || opened(&folder, &header("key"));
        let (mut stage, recalled) = open();
        prop_assert!(recalled.is_empty());
        append_all(&mut stage, &flats, 0);
        drop(stage);
        if let Some((name, bytes)) = torn {
            let file = OpenOptions::new().write(true).open(folder.path().join(STAGED[name])).unwrap();
            file.set_len(file.metadata().unwrap().len().saturating_sub(bytes)).unwrap();
        }

        let (mut stage, recalled) = open();
        prop_assert!(torn.is_some() || recalled.len() == flats.len());
        append_all(&mut stage, &flats, recalled.len());
        drop(stage);
        let (stage, recalled) = open();
        prop_assert_eq!(recalled.len(), flats.len());
        for (recalled, flat) in recalled.iter().zip(&flats) {
            prop_assert_eq!(&recalled.rows, &flat.listed);
            let ids = flat.batches.sessions.column(0).as_string::<i32>().iter().flatten();
            let open = flat.entries.iter().zip(ids).filter(|(entry, _)| entry.is_open).map(|(_, id)| id);
            prop_assert!(recalled.open.iter().map(String::as_str).eq(open));
            prop_assert_eq!(recalled.unusable, flat.unusable);
        }
        let mut rejects = Vec::new();
        stage.recalled_rejects(|page, reject| {
            rejects.push((page, reject));
            Ok(())
        }).unwrap();
        let wanted = (1..).zip(&flats).flat_map(|(page, flat)| flat.rejects.iter().map(move |reject| (page, reject.clone())));
        prop_assert_eq!(rejects, wanted.collect::<Vec<_>>());
        let mut identities = Vec::new();
        stage.identities(|identity| identities.push(identity)).unwrap();
        let entries = (0..).zip(&flats).flat_map(|(response, flat)| flat.entries.iter().map(move |entry| (response, entry)));
        let wanted: Vec<_> = (0..).zip(entries).map(|(row, (response, entry))| Identity::of(entry, response, row)).collect();
        prop_assert_eq!(identities, wanted);
        let rows = |partition| stage.segments(partition).iter().map(|segment| stage.load(segment, &Method::default()).unwrap().len()).sum::<usize>();
        prop_assert_eq!(stage.partitions().map(rows).sum::<usize>() as u64, stage.sessions());
    }
}

#[test]
fn a_response_that_can_not_be_is_not_recalled() {
    let flat = flatten::page(r#"{"data":[{"id":"a"},{"id":"b"}]}"#, &Options::default()).unwrap();
    for (number, value) in [
        ("/page", 1),
        ("/page", 0),
        ("/page", u64::MAX),
        ("/page", 1 << 60),
        ("/size", 0),
        ("/unusable", u64::MAX),
        ("/foreign", 3),
        ("/segments/0/first_ordinal", u64::MAX),
        ("/segments/0/first_ordinal", 1),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (mut stage, _) = opened(&folder, &header("key"));
        append_all(&mut stage, std::slice::from_ref(&flat), 0);
        drop(stage);
        let path = folder.path().join("journal");
        let journal = std::fs::read_to_string(&path).unwrap();
        let (first, line) = journal.trim_end().rsplit_once('\n').unwrap();
        let mut record: serde_json::Value = serde_json::from_str(line.split_once(' ').unwrap().1).unwrap();
        *record.pointer_mut(number).unwrap() = value.into();
        let text = record.to_string();
        std::fs::write(&path, format!("{first}\n{:016x} {text}\n", xxh3_64(text.as_bytes()))).unwrap();
        let (stage, recalled) = opened(&folder, &header("key"));
        let expected = usize::from((number, value) == ("/page", 1));
        assert_eq!((recalled.len(), stage.sessions()), (expected, expected as u64 * 2), "{number} {value}");
    }
}

#[test]
fn a_stage_of_another_key_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let flat = flatten::page(r#"{"data":[{"id":"a"}]}"#, &Options::default()).unwrap();
    let (mut stage, _) = opened(&folder, &header("one form"));
    append_all(&mut stage, &[flat], 0);
    drop(stage);
    let (stage, recalled) = opened(&folder, &header("another form"));
    assert!(recalled.is_empty() && stage.sessions() == 0);
    assert!(folder.path().join("aside/rows").exists());
    assert!(Stage::form().starts_with(&format!("{FORM}-")));
}

#[test]
fn a_heavy_session_has_a_segment_of_its_own_and_a_page_of_them_many() {
    let folder = tempfile::tempdir().unwrap();
    let id = |number: usize| format!("{number:0>1000}");
    let session = |number: usize, timelogs: usize| {
        let timelogs = vec!["{}"; timelogs].join(",");
        let (id, participant) = (id(number), id(7));
        format!(r#"{{"id":"{id}","participants":[{{"participantId":"{participant}","timelog":[{timelogs}]}}]}}"#)
    };
    let sessions: Vec<_> = [2000, 1, 9000, 1, 1].into_iter().enumerate().map(|(at, logs)| session(at, logs)).collect();
    let flat = flatten::page(format!(r#"{{"data":[{}]}}"#, sessions.join(",")), &Options::default()).unwrap();
    let mut stage = Stage::nameless(&below(&folder), 0).unwrap();
    stage.append(&flat, PartitionBy::Day, None).unwrap();
    let partition = Partition::UNDATED;
    let chunks: Vec<_> =
        stage.segments(partition).iter().map(|segment| stage.load(segment, &Method::default()).unwrap()).collect();
    assert_eq!(chunks.iter().map(Chunk::len).collect::<Vec<_>>(), [2, 1, 2]);
    let ids: Vec<_> = chunks.iter().flat_map(|chunk| (0..chunk.len()).map(|row| chunk.key(row).1.to_owned())).collect();
    assert_eq!(ids, (0..5).map(id).collect::<Vec<_>>());
    // What they are said to take is what they take.
    for (segment, chunk) in stage.segments(partition).iter().zip(&chunks) {
        let taken: usize = chunk.batches().values().map(RecordBatch::get_array_memory_size).sum();
        assert!(taken < segment.weight + (1 << 20) && segment.weight < taken + (1 << 20), "{} {taken}", segment.weight);
    }
    assert!(stage.is_heavy(partition));
}

/// A stage that a run has left, whose bytes somebody changes and makes right sums for.
struct Left {
    folder: tempfile::TempDir,
    rows: Vec<u8>,
    identities: Vec<u8>,
    header: String,
    record: Value,
}

impl Left {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let session = |id: &str| {
            let person = r#"{"participantId":"p","timelog":[{"start":"2026-11-01T10:00:00.000Z","end":null}]}"#;
            format!(r#"{{"id":"{id}","start":"2026-11-01T10:00:00.000Z","participants":[{person},{person}]}}"#)
        };
        let body = format!(r#"{{"data":[{},{},{{"id":"c"}}]}}"#, session("a"), session("b"));
        let flat = flatten::page(body, &Options::default()).unwrap();
        let (mut stage, _) = opened(&folder, &header("key"));
        append_all(&mut stage, &[flat], 0);
        drop(stage);
        let [rows, identities, journal] = STAGED.map(|name| std::fs::read(folder.path().join(name)).unwrap());
        let journal = String::from_utf8(journal).unwrap();
        let (header, line) = journal.trim_end().split_once('\n').unwrap();
        let record = serde_json::from_str(line.split_once(' ').unwrap().1).unwrap();
        Self { folder, rows, identities, header: header.to_owned(), record }
    }

    /// Puts it there with right sums, and opens it.
    fn opened(mut self) -> (tempfile::TempDir, Stage, usize) {
        let mut hasher = Xxh3::new();
        hasher.update(&self.rows);
        hasher.update(&self.identities);
        self.record["hash"] = hasher.digest().into();
        let text = self.record.to_string();
        let journal = format!("{}\n{:016x} {text}\n", self.header, xxh3_64(text.as_bytes()));
        for (name, bytes) in STAGED.into_iter().zip([&self.rows[..], &self.identities, journal.as_bytes()]) {
            std::fs::write(self.folder.path().join(name), bytes).unwrap();
        }
        let (stage, recalled) = opened(&self.folder, &header("key"));
        (self.folder, stage, recalled.len())
    }
}

#[test]
fn what_was_never_staged_is_set_aside_whatever_its_sums_say() {
    let (_, stage, recalled) = Left::new().opened();
    assert_eq!((recalled, stage.sessions(), stage.partitions().len()), (1, 3, 2));
    let number = |name: &'static str, value: Value| {
        let change = move |left: &mut Left| *left.record.pointer_mut(name).unwrap() = value;
        (name, Box::new(change) as Box<dyn FnOnce(&mut Left)>)
    };
    let identity = |at: usize, byte: u8| {
        ("identities", Box::new(move |left: &mut Left| left.identities[at] = byte) as Box<dyn FnOnce(&mut Left)>)
    };
    let undated = Partition::UNDATED.day();
    let mut changes = vec![
        number("/page", 0.into()),
        number("/page", u64::MAX.into()),
        number("/page", (1_u64 << 62).into()),
        number("/size", 0.into()),
        number("/unusable", u64::MAX.into()),
        number("/foreign", 9.into()),
        number("/sessions", u64::MAX.into()),
        number("/end", u64::MAX.into()),
        number("/segments/0/first_ordinal", u64::MAX.into()),
        number("/segments/1/first_ordinal", 0.into()),
        number("/segments/1/offset", 0.into()),
        number("/segments/1/length", u64::MAX.into()),
        number("/segments/1/first_start", Value::Null),
        number("/keys", "".into()),
        number("/unstaged", serde_json::json!([[7, "1", null]])),
        number("/segments", serde_json::json!([])),
        // The id, the response, the number of the row, the start of the first.
        identity(0, 7),
        identity(20, 7),
        identity(24, 7),
        identity(31, 7),
        identity(34, 7),
    ];
    let fewer = |left: &mut Left| {
        left.record["sessions"] = 2.into();
        left.identities.truncate(2 * identity::BYTES);
    };
    changes.push(("fewer", Box::new(fewer)));
    for day in [0, -1, undated, 3_652_059, 3_652_060, i32::MAX] {
        changes.push(number("/segments/1/day", day.into()));
    }
    for (what, change) in changes {
        let mut left = Left::new();
        change(&mut left);
        let told = left.record.to_string();
        let (folder, stage, recalled) = left.opened();
        assert_eq!((recalled, stage.sessions(), stage.partitions().len()), (0, 0, 0), "{what}: {told}");
        assert!(folder.path().join("aside/journal").exists(), "{what}: {told}");
        drop(stage);
        assert_eq!(opened(&folder, &header("key")).1.len(), 0, "{what}");
    }
}

#[test]
fn lengths_that_files_only_seem_to_have_take_no_memory() {
    for end in [3_u64 << 30, 1 << 40] {
        let mut left = Left::new();
        let last = left.record["segments"].as_array().unwrap().len() - 1;
        let before = left.rows.len() as u64;
        let length = left.record["segments"][last]["length"].as_u64().unwrap();
        left.record["segments"][last]["length"] = (length + end - before).into();
        left.record["end"] = end.into();
        let (folder, record) = (left.folder.path().to_owned(), left.record.to_string());
        let journal = format!("{}\n{:016x} {record}\n", left.header, xxh3_64(record.as_bytes()));
        std::fs::write(folder.join("journal"), journal).unwrap();
        OpenOptions::new().write(true).open(folder.join("rows")).unwrap().set_len(end).unwrap();
        let (_, recalled) = opened(&left.folder, &header("key"));
        assert!(recalled.is_empty() && folder.join("aside/rows").exists());
    }
}

#[test]
fn a_segment_that_can_not_be_read_back_is_not_there_for_the_next_run() {
    let mut left = Left::new();
    // Sessions come first in a segment, so that this is met by whoever wants all of it.
    let end = left.rows.len() - 16;
    left.rows[end - 48..end].fill(0xff);
    let (folder, stage, recalled) = left.opened();
    assert_eq!(recalled, 1);
    let error = {
        let mut segments = stage.partitions().flat_map(|partition| stage.segments(partition));
        segments.find_map(|segment| stage.load(segment, &Method::default()).err()).unwrap()
    };
    assert!(error.kind() == crate::error::Kind::Destination && error.render().contains("--fresh"), "{error:?}");
    assert!(folder.path().join("aside/rows").exists());
    drop(stage);
    assert_eq!(opened(&folder, &header("key")).1.len(), 0);
}

/// A stage with what others have left, whose rows are cut into parts of so many bytes.
fn piece(sealed: &Sealed, part: u64) -> Piece {
    let copies = sealed.files.each_ref().map(|file| file.try_clone().unwrap());
    let length = copies[0].metadata().unwrap().len();
    let open = move |name: &str| {
        let Some(number) = name.strip_prefix("rows.") else {
            return Ok(copies[STAGED.iter().position(|staged| *staged == name).unwrap()].try_clone().unwrap());
        };
        let from = number.parse::<u64>().unwrap() * part;
        let mut bytes = vec![0; usize::try_from(part.min(length - from)).unwrap()];
        copies[0].read_exact_at(&mut bytes, from).unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        Ok(file)
    };
    let parts = usize::try_from(length.div_ceil(part)).unwrap();
    Piece::new(sealed.index.clone(), parts, part, ("a task".to_owned(), "plan anew"), Box::new(open))
}

#[test]
fn what_others_have_left_is_gone_on_from_as_if_it_were_staged_here() {
    let page = |ids: std::ops::Range<u32>| {
        let record = |id: u32| format!(r#"{{"id":"s{id}","start":"2026-11-{:02}T10:00:00.000Z"}}"#, 1 + id % 28);
        let body = format!(r#"{{"data":[{}]}}"#, ids.map(record).collect::<Vec<_>>().join(","));
        flatten::page(body.into_bytes(), &Options::default()).unwrap()
    };
    let asked = |page: u64, at: i64| Some(Asked { leg: 0, window: Window { size: 20, page }, at });
    let folder = tempfile::tempdir().unwrap();
    let stage = |pages: &[(u64, i64)]| {
        let mut stage = Stage::to_seal(&below(&folder), &header("k")).unwrap();
        for (number, at) in pages {
            let first = u32::try_from(*number - 1).unwrap() * 20;
            stage.append(&page(first..first + 20), PartitionBy::Day, asked(*number, *at)).unwrap();
        }
        stage.sealed().unwrap().unwrap()
    };
    // The answers of the two came by turns.
    let (first, second) = (stage(&[(1, 10), (2, 30), (3, 50)]), stage(&[(4, 20), (5, 40)]));
    for part in [64, 1_000, 1 << 20] {
        let pieces = vec![piece(&first, part), piece(&second, part)];
        let mut joined = Stage::joined(&below(&folder), &header("k"), pieces).unwrap();
        let mut recalled = Vec::new();
        joined
            .each_taken_over(|number, answer| {
                recalled.push((number, answer.window.page, answer.rows.len()));
                Ok(())
            })
            .unwrap();
        assert_eq!(recalled, [(0, 1, 20), (2, 2, 20), (4, 3, 20), (1, 4, 20), (3, 5, 20)]);
        joined.append(&page(100..120), PartitionBy::Day, asked(6, 60)).unwrap();
        let mut identities = Vec::new();
        joined.identities(|identity| identities.push((identity.ordinal, identity.response()))).unwrap();
        let responses = [0, 2, 4, 1, 3, 5].into_iter().flat_map(|response| [response; 20]);
        assert_eq!(identities, (0..120).zip(responses).collect::<Vec<_>>());
        let mut ids = std::collections::BTreeSet::new();
        for partition in joined.partitions().collect::<Vec<_>>() {
            for segment in joined.segments(partition) {
                ids.insert(segment.first_id.clone());
                assert_eq!(joined.session_id(segment.first_ordinal).unwrap(), segment.first_id, "{part}");
                joined.load(segment, &Method::default()).unwrap();
            }
        }
        assert!(ids.len() > 100, "{}", ids.len());
    }
}

#[test]
fn rows_that_have_changed_since_they_were_left_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let flat =
        flatten::page(br#"{"data":[{"id":"a","start":"2026-11-01T10:00:00.000Z"}]}"#.to_vec(), &Options::default());
    let mut stage = Stage::to_seal(&below(&folder), &header("k")).unwrap();
    let asked = Asked { leg: 0, window: Window { size: 20, page: 1 }, at: 0 };
    stage.append(&flat.unwrap(), PartitionBy::Day, Some(asked)).unwrap();
    let sealed = stage.sealed().unwrap().unwrap();
    sealed.files[0].write_all_at(b"!", 40).unwrap();
    let joined = Stage::joined(&below(&folder), &header("k"), vec![piece(&sealed, 1 << 20)]).unwrap();
    let partition = joined.partitions().next().unwrap();
    let refused = joined.load(&joined.segments(partition)[0], &Method::default()).unwrap_err();
    assert!(refused.render().starts_with("error: what a task has left is damaged: a task"), "{}", refused.render());
}
