//! The figures of a walk, as the receipt gives them.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// What was asked and done, rounds that had to be begun again included. Field names and order are the receipt's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Requests to the list, whatever they brought; those for single sessions are not among them.
    pub requests: u64,
    /// Answers of an earlier run that was stopped, used besides.
    pub recalled: u64,
    /// Windows whose answers were put in their place.
    pub windows: u64,
    /// Joints between windows, each by a session that both hold.
    pub links: u64,
    /// Requests that mended a joint which changes of the list had broken.
    pub repairs: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        let Self { requests, recalled, windows, links, repairs } = other;
        self.requests += requests;
        self.recalled += recalled;
        self.windows += windows;
        self.links += links;
        self.repairs += repairs;
    }
}
