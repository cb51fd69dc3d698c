//! `_rollbook/state.json`, read by an export and by `verify`; what an export would store of it is read as the same again.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use rollbook::dataset::known::Known;
use rollbook::dataset::state::{Source, State};
use rollbook_fuzz::Dataset;

const PATH: &str = "_rollbook/state.json";
static DATASET: LazyLock<Dataset> = LazyLock::new(Dataset::new);
static SOURCE: LazyLock<Source> = LazyLock::new(|| {
    serde_json::from_str(r#"{"base_url": "loopback", "api_version": "v1", "account": null}"#).expect("it is a source")
});

fuzz_target!(|text: &[u8]| {
    // A damaged state is not set aside, since the next one comes to its place.
    let (layout, dry) = (&DATASET.layout, DATASET.layout.dry());
    DATASET.put(PATH, text);
    let _ = Known::read(layout);
    let _ = State::version_of(layout);
    let load = || State::load(&dry, SOURCE.clone(), "run");
    let Ok(mut state) = load() else { return };
    let _ = state.purges(layout);
    state.moves(&state.moving());
    if let Some(covered) = state.covered() {
        let _ = (covered.fence(), covered.full_at(), covered.since(), covered.order());
    }
    state.store(layout, "run").expect("there is room");
    let again = load().expect("it was stored");
    assert_eq!(serde_json::to_value(&state).ok(), serde_json::to_value(&again).ok());
});
