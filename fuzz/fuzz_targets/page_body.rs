//! An answer of the API, turned into rows and staged.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use rollbook::dataset::destination::temporary;
use rollbook::rows::flatten::{self, Options};
use rollbook::rows::method::Method;
use rollbook::rows::model::Limits;
use rollbook::rows::partition::PartitionBy;
use rollbook::stage::Stage;
use rollbook::words::range::Kept;

/// A page, one session, and a page for which there is little room.
static OPTIONS: LazyLock<[Options; 3]> = LazyLock::new(|| {
    let limits = Limits::of(100, 1 << 20, true);
    let tight = Limits { records: 3, room: 2048, text: 8192, ..limits.clone() };
    let kept = Kept { range: None, since: Some(1_795_000_000_000_000) };
    [
        Options { limits: Limits { keep_unknown: false, ..limits.clone() }, ..Options::default() },
        Options { limits: limits.single(), ..Options::default() },
        Options { limits: tight, kept, meeting: Some("room".into()), ..Options::default() },
    ]
});

fuzz_target!(|body: &[u8]| {
    for options in &*OPTIONS {
        let Ok(flat) = flatten::page(body.to_vec(), options) else { continue };
        let weight = flatten::weight(body, &options.limits);
        assert!(flat.memory() < 8 * weight + (1 << 20), "{} bytes of rows, {weight} expected", flat.memory());
        let mut stage = Stage::nameless(&temporary(), 0).expect("there is room");
        stage.append(&flat, PartitionBy::Day, None).expect("there is room");
        let segments = stage.partitions().flat_map(|partition| stage.segments(partition));
        let rows: usize = segments.map(|segment| stage.load(segment, &Method::default()).expect("it was staged").len()).sum();
        assert_eq!(rows, flat.entries.len());
    }
});
