//! Which format of snapshots a dataset has, for commands that have no setting for it.

use super::State;
use crate::config::Format;

impl State {
    /// The format of snapshots that the dataset has had so far.
    pub fn snapshots(&self) -> Option<Format> {
        self.snapshots.as_deref().and_then(Format::named)
    }

    /// Remembers the format of the snapshots; says whether that is new.
    pub fn has_snapshots(&mut self, format: Option<Format>) -> bool {
        let name = format.filter(|format| *format != Format::None).map(|format| format.name().to_owned());
        std::mem::replace(&mut self.snapshots, name.clone()) != name
    }
}
