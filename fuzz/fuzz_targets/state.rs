//! `_rollbook/state.json`, read by an export and by `verify`; what an export would store of it is read as the same again.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use rollbook_fuzz::Dataset;
use rollbook::rows::partition::PartitionBy;
use rollbook::dataset::known::Known;
use rollbook::dataset::state::{Source, State};

const PATH: &str = "_rollbook/state.json";
static DATASET: LazyLock<Dataset> = LazyLock::new(Dataset::new);
static SOURCE: LazyLock<Source> = LazyLock::new(|| {
    serde_json::from_str(r#"{"base_url": "loopback", "api_version": "v1", "account": null}"#).expect("it is a source")
});

fuzz_target!(|text: &[u8]| {
    let (layout, by) = (&DATASET.layout, PartitionBy::Month);
    DATASET.put(PATH, text);
    let _ = Known::read(layout, by);
    let _ = State::version_of(layout, by);
    let load = || State::load(layout, by, SOURCE.clone(), "run", true);
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
