//! A receipt in `_rollbook/runs/`, which stands in for a state that is lost.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use rollbook::dataset::known::Known;
use rollbook::dataset::receipt::past;
use rollbook::dataset::state::{Source, State};
use rollbook::rows::tables::Table;
use rollbook_fuzz::Dataset;

static DATASET: LazyLock<Dataset> = LazyLock::new(Dataset::new);
static SOURCE: LazyLock<Source> = LazyLock::new(|| {
    serde_json::from_str(r#"{"base_url": "loopback", "api_version": "v1", "account": null}"#).expect("it is a source")
});

fuzz_target!(|text: &[u8]| {
    let layout = &DATASET.layout;
    DATASET.put("_rollbook/runs/20261126T100000000Z-000000.json", text);
    let known = Known::read(layout).expect("a damaged receipt says nothing");
    for path in Table::ALL.map(|table| DATASET.path(table)) {
        let _ = known.standing(&path, "");
    }
    past::last_source(layout).expect("a damaged receipt says nothing");
    past::purges_since(layout, "2026").expect("a damaged receipt says nothing");
    State::version_of(layout).expect("a damaged receipt says nothing");
    let _ = State::load(layout, SOURCE.clone(), "run");
});
