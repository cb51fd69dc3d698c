//! `_rollbook/erasures.json`, read by an export and by `purge`, which adds to it and takes back.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use rollbook::dataset::erasures::{Erase, Erasures, Origin, Taken, Tally};
use rollbook::rows::method::Method;
use rollbook::rows::erasure::Identifier;
use rollbook_fuzz::Dataset;

static DATASET: LazyLock<Dataset> = LazyLock::new(Dataset::new);

fuzz_target!(|text: &[u8]| {
    let layout = &DATASET.layout;
    DATASET.put("_rollbook/erasures.json", text);
    let Ok(mut erasures) = Erasures::load(layout, 0) else { return };
    erasures.warn_of_unicode();
    if let Some(denied) = erasures.denied().expect("any key can be used") {
        let _ = denied.scrub(r#"{"participants":[{"participantId":"p1","name":"Ann"}]}"#);
    }
    let _ = (erasures.floor(), erasures.last_made());
    let people = vec![(Identifier::Name, "Ann".to_owned()), (Identifier::Id, "p1".to_owned())];
    let origin = Origin { at: "2026-11-26T10:00:00.000Z".to_owned(), run_id: "run".to_owned() };
    let erase = Erase { before: Some(1_790_000_000_000_000), people };
    let _ = erasures.add(&erase, [7; 32], &origin, &Method::default());
    let taken = Taken { sessions: 1, participants: 2, rejects: 3 };
    let tally: Tally = erasures.rules().iter().map(|rule| (rule.number, taken)).collect();
    erasures.count(&tally, 1);
    let _ = erasures.take_back(1);
    erasures.store(layout).expect("there is room");
    let again = Erasures::load(layout, erasures.epoch()).expect("it was stored");
    assert_eq!(again.rules(), erasures.rules());
});
