//! What each stage costs alone, on one thread, on generated pages of both usual sizes.
//!
//! `cargo bench --profile dist` measures; `cargo bench -- --test` runs everything once.

#![allow(clippy::unwrap_used, reason = "a benchmark that fails should say so at once")]

use bytes::Bytes;
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use rollbook::dataset::destination::temporary;
use rollbook::dataset::encode::{Cutter, Encoder};
use rollbook::dataset::identity::{self, Bits, Questions};
use rollbook::dataset::layout::Layout;
use rollbook::dataset::merge::{Merge, Sources};
use rollbook::dataset::publish::{Change, Rewrite};
use rollbook::dataset::published::Versions;
use rollbook::rows::attendance::{self, Bounds, Log, Moments, Span};
use rollbook::rows::chunk::Chunk;
use rollbook::rows::flatten::{self, Flat, Options};
use rollbook::rows::method::Method;
use rollbook::rows::model::{self, Limits};
use rollbook::rows::partition::{Partition, PartitionBy};
use rollbook::rows::tables::Table;
use rollbook::sim::account::{Account, Shape};
use rollbook::sim::wire;
use rollbook::stage::Stage;
use rollbook::words::timestamp;

/// Sessions a page.
const SIZES: [u64; 2] = [100, 1000];
/// Sessions that are staged and published.
const STAGED: u64 = 4000;

fn main() {
    divan::main();
}

/// The sessions from an index on, newest first, as a page.
fn page(first: u64, sessions: u64) -> Vec<u8> {
    let account = Account::new(1, first + sessions, Shape::Realistic);
    let mut body = b"{\"pageInfo\":{\"currentPage\":1},\"data\":[".to_vec();
    for index in first..first + sessions {
        wire::session(&mut body, &account.session(index));
        body.push(b',');
    }
    body.pop();
    body.extend_from_slice(b"]}");
    body
}

fn flat(first: u64, sessions: u64) -> Flat {
    flatten::page(page(first, sessions), &Options::default()).unwrap()
}

fn staged(per_page: u64, layout: &Layout) -> Stage {
    let mut stage = Stage::nameless(&temporary(), 0).unwrap();
    for first in (0..STAGED).step_by(usize::try_from(per_page).unwrap()) {
        stage.append(&flat(first, per_page), layout.by(), None).unwrap();
    }
    stage
}

#[divan::bench(args = SIZES)]
fn parse(bencher: Bencher, sessions: u64) {
    let body = String::from_utf8(page(0, sessions)).unwrap();
    bencher
        .counter(BytesCount::of_str(&body))
        .bench(|| model::page(&body, &Limits::default()).unwrap().lists.sessions.len());
}

#[divan::bench(args = SIZES)]
fn parse_and_flatten(bencher: Bencher, sessions: u64) {
    let body = Bytes::from(page(0, sessions));
    bencher.counter(BytesCount::of_slice(&body)).bench(|| flatten::page(body.clone(), &Options::default()).unwrap());
}

/// Times in the API's form, a minute apart.
#[divan::bench]
fn timestamps(bencher: Bencher) {
    let texts: Vec<_> = (0..2000)
        .map(|log| format!("2026-{:02}-07T{:02}:{:02}:35.807Z", log / 1440 + 8, log / 60 % 24, log % 60))
        .collect();
    bencher.counter(ItemsCount::new(texts.len())).bench(|| {
        let mut reader = timestamp::Reader::default();
        texts.iter().filter_map(|text| reader.parse(text)).sum::<i64>()
    });
}

/// A session's timelogs: counted, united, and passed over for the time with anybody and the most at once.
#[divan::bench(args = [2_i64, 12, 1000])]
fn attendance(bencher: Bencher, timelogs: i64) {
    let session = Bounds { start: Some(0), end: Some(1000), is_open: false };
    let logs: Vec<(i64, i64)> = (0..timelogs).map(|log| (log * 37 % 990, log * 37 % 990 + log % 60)).collect();
    let (mut spans, mut moments) = (Vec::<Span>::new(), Moments::default());
    bencher.counter(ItemsCount::new(logs.len())).bench_local(|| {
        spans.clear();
        let count = |(start, end): &(i64, i64)| {
            let log = Log { start: Some(*start), end: Some(*end), is_open: false };
            attendance::count(session, log, None).effective
        };
        spans.extend(logs.iter().filter_map(count));
        attendance::unite(&mut spans);
        attendance::sweep(&spans, &mut moments)
    });
}

#[divan::bench(args = SIZES)]
fn append_to_the_stage(bencher: Bencher, sessions: u64) {
    let flat = flat(0, sessions);
    let mut stage = Stage::nameless(&temporary(), 0).unwrap();
    bencher.counter(ItemsCount::new(sessions)).bench_local(|| stage.append(&flat, PartitionBy::Month, None).unwrap());
}

/// What is staged of a page to rows as they are published.
#[divan::bench(args = SIZES)]
fn widen(bencher: Bencher, sessions: u64) {
    let staged = flat(0, sessions).batches;
    bencher.counter(ItemsCount::new(sessions)).bench(|| Chunk::widen(&staged, &Method::default()).unwrap());
}

#[divan::bench(args = Table::ALL)]
fn encode(bencher: Bencher, table: Table) {
    let chunk = Chunk::widen(&flat(0, STAGED).batches, &Method::default()).unwrap();
    let rows = chunk.batches()[table].clone();
    let mut batches = Vec::new();
    let mut keep = |batch| {
        batches.push(batch);
        Ok(())
    };
    let mut cutter = Cutter::new(table);
    cutter.push(&rows, &mut keep).unwrap();
    cutter.finish(&mut keep).unwrap();
    bencher.counter(BytesCount::new(rows.get_array_memory_size())).bench(|| {
        let file = tempfile::tempfile().unwrap();
        let mut encoder = Encoder::new(table, &Method::default(), &file).unwrap();
        for batch in &batches {
            encoder.write(batch).unwrap();
        }
        encoder.close().unwrap()
    });
}

/// Identities, merge, encoding and swapping of what is staged, in an empty folder.
#[divan::bench(args = SIZES, sample_count = 20)]
fn publish(bencher: Bencher, sessions: u64) {
    let folder = || tempfile::tempdir().unwrap();
    let stage = staged(sessions, &Layout::local("unused", PartitionBy::None));
    let segments = stage.segments(stage.partitions().next().unwrap());
    bencher.counter(ItemsCount::new(STAGED)).with_inputs(folder).bench_values(|folder| {
        let layout = Layout::local(folder.path(), PartitionBy::None);
        let lost = identity::resolve(&stage, &[], &Questions::default()).unwrap().lost;
        let method = layout.method();
        let sources =
            Sources { stage: &stage, method, segments, lost: &lost, published: None, superseded: Bits::default() };
        let partition = Partition::UNDATED;
        let place = Rewrite { layout: &layout, partition, versions: Versions::default(), change: Change::Adding };
        let ready = place.prepare(|sink| Merge::new(sources)?.run(sink).map(drop), false).unwrap();
        ready.swap(|_| {}).unwrap();
        folder
    });
}
