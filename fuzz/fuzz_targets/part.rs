//! A published part, read by `verify`, by a merge or for the facts in it. An input is a part, or else a byte that says which
//! of the page's parts it is and who reads it, and edits ([`edited`]). A panic over foreign bytes is an error there, and so
//! it is here.

#![no_main]

use std::collections::BTreeSet;
use std::panic::{set_hook, take_hook};
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use rollbook::commands::verify::Verify;
use rollbook::dataset::identity::Bits;
use rollbook::dataset::merge::{Merge, Sources};
use rollbook::dataset::published::Published;
use rollbook::error::Result;
use rollbook::rows::tables::{Table, Tables};
use rollbook::stage::Stage;
use rollbook::terminal::progress::{Mode, Progress};
use rollbook::words::foreign;
use rollbook_fuzz::{Dataset, edited, parts};

static DATASET: LazyLock<Dataset> = LazyLock::new(Dataset::new);
static PARTS: LazyLock<[Tables<Vec<u8>>; 2]> = LazyLock::new(parts);
static STAGE: LazyLock<Stage> =
    LazyLock::new(|| Stage::nameless(&rollbook::dataset::destination::temporary(), 0).expect("there is room"));

fn tell_of_defects_alone() {
    let hook = take_hook();
    set_hook(Box::new(move |panic| {
        if !foreign::is_reading() {
            hook(panic);
        }
    }));
}

fuzz_target!(init: tell_of_defects_alone(), |input: &[u8]| {
    let Some((which, edits)) = input.split_first() else { return };
    let (form, at) = (usize::from(which / 3 % 2), Table::ALL[usize::from(which % 3)]);
    let part = if input.starts_with(b"PAR1") { input.to_vec() } else { edited(&PARTS[form][at], edits) };
    for (table, sound) in &PARTS[form] {
        DATASET.put(&DATASET.path(table), if table == at { &part } else { sound });
    }
    match which >> 6 {
        0 => verify(&DATASET),
        1 => each_part(merge),
        _ => each_part(|part| part.each_facts(0..1000, None, |_| {})),
    }
});

fn verify(Dataset { layout, partition, .. }: &Dataset) {
    let (_stopper, stop) = rollbook::words::stop::channel();
    let vouched = BTreeSet::from([*partition]);
    let (stop, progress) = (&stop, &Progress::new(Mode::Never, false));
    let verify = Verify { layout, present: *partition, share: None, vouched, stop, progress };
    verify.run().expect("damage is told");
}

fn each_part(read: impl Fn(&Published) -> Result<()>) {
    for part in Published::all(&DATASET.layout).expect("the folder is ours") {
        let _ = read(&part);
    }
}

fn merge(part: &Published) -> Result<()> {
    let (published, lost) = (Some(part.chunks()?), &Bits::default());
    let sources = Sources { stage: &STAGE, method: DATASET.layout.method(), segments: &[], lost, published, superseded: Bits::default() };
    Merge::new(sources)?.run(|_| Ok(()))
}
