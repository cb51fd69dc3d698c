use std::fs::OpenOptions;

use proptest::prelude::*;

use super::*;
use crate::config::PartitionBy;
use crate::flatten::{self, Options};
use crate::range::{Kept, Range};

fn below(folder: &tempfile::TempDir) -> Below {
    Below::named(folder.path())
}

fn header(key: &str) -> Header {
    Header { key: key.to_owned(), erasures: 0, begun_at: 0, run_id: "first".to_owned(), last_run: None }
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
    let layout = Layout::local("unused", PartitionBy::Day);
    for (page, flat) in (1..).zip(flats).skip(from) {
        let window = Window { size: 7, page };
        stage.append(flat, &layout, Some((0, window))).unwrap();
    }
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
        let open = || Stage::open(&below(&folder), &header("key"), false).unwrap();
        let (mut stage, recalled) = open();
        prop_assert!(recalled.is_empty());
        append_all(&mut stage, &flats, 0);
        drop(stage);
        if let Some((name, bytes)) = torn {
            let file = OpenOptions::new().write(true).open(folder.path().join(NAMES[name])).unwrap();
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
            let ids = flat.batches[0].column(0).as_string::<i32>().iter().flatten();
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
        let rows = |partition| stage.segments(partition).iter().map(|segment| stage.load(segment).unwrap().len()).sum::<usize>();
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
        let (mut stage, _) = Stage::open(&below(&folder), &header("key"), false).unwrap();
        append_all(&mut stage, std::slice::from_ref(&flat), 0);
        drop(stage);
        let path = folder.path().join("journal");
        let journal = std::fs::read_to_string(&path).unwrap();
        let (first, line) = journal.trim_end().rsplit_once('\n').unwrap();
        let mut record: serde_json::Value = serde_json::from_str(line.split_once(' ').unwrap().1).unwrap();
        *record.pointer_mut(number).unwrap() = value.into();
        let text = record.to_string();
        std::fs::write(&path, format!("{first}\n{:016x} {text}\n", xxh3_64(text.as_bytes()))).unwrap();
        let (stage, recalled) = Stage::open(&below(&folder), &header("key"), false).unwrap();
        let expected = usize::from((number, value) == ("/page", 1));
        assert_eq!((recalled.len(), stage.sessions()), (expected, expected as u64 * 2), "{number} {value}");
    }
}

#[test]
fn a_stage_of_another_key_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let flat = flatten::page(r#"{"data":[{"id":"a"}]}"#, &Options::default()).unwrap();
    let (mut stage, _) = Stage::open(&below(&folder), &header("one form"), false).unwrap();
    append_all(&mut stage, &[flat], 0);
    drop(stage);
    let (stage, recalled) = Stage::open(&below(&folder), &header("another form"), false).unwrap();
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
    let sessions: Vec<_> = [3000, 1, 9000, 1, 1].into_iter().enumerate().map(|(at, logs)| session(at, logs)).collect();
    let flat = flatten::page(format!(r#"{{"data":[{}]}}"#, sessions.join(",")), &Options::default()).unwrap();
    let mut stage = Stage::nameless(&below(&folder), 0).unwrap();
    let layout = Layout::local("unused", PartitionBy::Day);
    stage.append(&flat, &layout, None).unwrap();
    let partition = layout.undated();
    let chunks: Vec<_> = stage.segments(partition).iter().map(|segment| stage.load(segment).unwrap()).collect();
    assert_eq!(chunks.iter().map(Chunk::len).collect::<Vec<_>>(), [2, 1, 2]);
    let ids: Vec<_> = chunks.iter().flat_map(|chunk| (0..chunk.len()).map(|row| chunk.key(row).1.to_owned())).collect();
    assert_eq!(ids, (0..5).map(id).collect::<Vec<_>>());
    // What they are said to take is what they take.
    for (segment, chunk) in stage.segments(partition).iter().zip(&chunks) {
        let taken: usize = chunk.batches().iter().map(RecordBatch::get_array_memory_size).sum();
        assert!(taken < segment.weight + (1 << 20) && segment.weight < taken + (1 << 20), "{} {taken}", segment.weight);
    }
    assert!(stage.is_heavy(partition));
}
