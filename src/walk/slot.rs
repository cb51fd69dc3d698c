//! The queue of windows that wait to join the chain.

use super::Page;
use super::base::Word;
use crate::list::{Outcome, Window};

/// What a window is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To go on: the next part of the list.
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
    /// A page, maybe without rows, that waits for its turn to join.
    Here(Page),
    /// No page: a status, or no answer.
    Failed(Failure),
}

/// Why a window brought no page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failure {
    pub word: Word,
    /// The status, where there is one.
    pub status: Option<u16>,
}

/// A window in its place of the queue; the front one is the next to join the chain.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub window: Window,
    pub purpose: Purpose,
    pub tries: u32,
    /// Asked for as a page that may not be there.
    pub is_probe: bool,
    pub state: State,
}

impl Slot {
    pub(super) const fn new(window: Window, purpose: Purpose) -> Self {
        Self { window, purpose, tries: 0, is_probe: false, state: State::Planned }
    }
}

impl State {
    pub(super) const fn is_flying(&self) -> bool {
        matches!(self, Self::Flying)
    }

    /// What an answer for this window makes of it.
    pub(super) fn of(window: Window, outcome: Outcome) -> Self {
        use crate::list::Silence;
        match outcome {
            Outcome::Page { info, rows, unusable, at: _ } => Self::Here(Page { window, info, rows, unusable }),
            Outcome::Nothing { status } => Self::Failed(Failure { word: Word::Nothing, status: Some(status) }),
            Outcome::Silent(silence) => {
                let status = if let Silence::Status(status) = silence { Some(status) } else { None };
                Self::Failed(Failure { word: Word::Silent(silence), status })
            }
            Outcome::Denied => Self::Failed(Failure { word: Word::Silent(Silence::Status(401)), status: Some(401) }),
        }
    }
}

impl Failure {
    /// The failure in words, to be read after the name of a page: "was refused with status 500".
    pub(super) fn text(self) -> String {
        self.status.map_or_else(|| "was not answered".to_owned(), |status| format!("was refused with status {status}"))
    }
}
