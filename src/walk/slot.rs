//! The queue of windows that wait to join the chain.

use super::Page;
use super::window::Window;

/// What a window is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To go on.
    Walk,
    /// To join the one behind it to the chain.
    Repair,
    /// To see that nothing is there.
    Behind,
}

#[derive(Debug, Clone)]
pub(super) enum State {
    Planned,
    Flying,
    Here(Page),
}

/// A window in its place of the queue; the front one is the next to join the chain.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub window: Window,
    pub purpose: Purpose,
    pub tries: u32,
    pub state: State,
}

impl Slot {
    pub(super) const fn new(window: Window, purpose: Purpose) -> Self {
        Self { window, purpose, tries: 0, state: State::Planned }
    }
}
