//! The end of a list that may be sorted by end, latest last, read again: sessions that ended meanwhile have moved there. It is
//! read upwards, window by window, to one that lies wholly before the walk.

use super::closing::Closing;
use super::{Phase, Plan};
use crate::list::{Listed, Outcome, Request, Window};
use crate::walk::chain::{Joint, joint};
use crate::walk::order::{Key, Sorts};
use crate::walk::sizes::Sizes;
use crate::walk::slot::State;
use crate::walk::window::rising;
use crate::walk::{Contract, Page};

/// Answers at most until the end must lie wholly before the walk; beyond that the list moves too fast.
const MOST: u32 = 64;

/// How often the overlap is doubled for one joint.
const WIDEST: u32 = 4;

/// The end of the list, read again upwards to a window that ended wholly before the walk.
#[derive(Debug)]
pub struct Tail {
    window: Window,
    /// The answer below, once the end was met.
    below: Option<Vec<Listed>>,
    /// Position of that answer's first row.
    begins_at: u64,
    /// How often the overlap was doubled for the joint at hand.
    wider: u32,
    fits: Sorts,
    /// Read on until every session of a window ended before this time (microseconds).
    until: i64,
    asked: u32,
}

/// What came of an answer: read on, done, or the list moves faster than it is read.
enum Seen {
    More,
    Settled,
    Lost,
}

impl Tail {
    /// The end of a walk's list, where it must be read again.
    pub(in crate::walk) fn of(plan: &Plan) -> Option<Self> {
        let fits = plan.round.fits().and(Sorts::of(|sort| sort.key == Key::End && !sort.descending));
        if fits.is_empty() || !plan.round.ended || plan.round.is_still() {
            return None;
        }
        let until = plan.server.at.unwrap_or(i64::MIN).saturating_sub(plan.settings.slack);
        let sizes = &plan.server.sizes;
        let window = overshooting(plan.round.known_end(), sizes)?;
        Some(Self { window, below: None, begins_at: 0, wider: 0, fits, until, asked: 0 })
    }

    /// The window to ask for next, upwards.
    pub const fn window(&self) -> Window {
        self.window
    }

    fn answer(&mut self, page: &Page, overlap: u64, sizes: &Sizes) -> Seen {
        self.asked += 1;
        if self.asked > MOST {
            return Seen::Lost;
        }
        let Some(below) = &self.below else {
            if !page.is_short() {
                // The list has grown.
                return self.go_to(overshooting(page.end(), sizes));
            }
            if page.rows.is_empty() {
                return self.go_to(overshooting(self.window.offset(), sizes));
            }
            return self.rise(page, overlap, sizes);
        };
        match joint(&page.rows, below, self.fits, self.fits.each().next()) {
            Joint::Linked { descends, .. } if self.fits.are_among(descends) => self.rise(page, overlap, sizes),
            // A group of equal ends lies across the joint: more of it must be in both.
            Joint::Linked { .. } if self.wider < WIDEST => {
                self.wider += 1;
                self.go_to(self.above(overlap << self.wider, sizes))
            }
            _ => Seen::Lost,
        }
    }

    fn rise(&mut self, page: &Page, overlap: u64, sizes: &Sizes) -> Seen {
        if page.window.page == 1 || page.ended_before(self.until) {
            return Seen::Settled;
        }
        self.below = Some(page.rows.clone());
        (self.begins_at, self.wider) = (page.window.offset(), 0);
        self.go_to(self.above(overlap, sizes))
    }

    /// The window above what was read.
    fn above(&self, overlap: u64, sizes: &Sizes) -> Option<Window> {
        rising(self.begins_at, overlap, sizes.largest(), |size| sizes.allows(size))
    }

    const fn go_to(&mut self, window: Option<Window>) -> Seen {
        match window {
            Some(window) => {
                self.window = window;
                Seen::More
            }
            None => Seen::Lost,
        }
    }
}

/// A window that goes beyond a list of this length.
fn overshooting(length: u64, sizes: &Sizes) -> Option<Window> {
    rising(length.max(1), 1, sizes.largest(), |size| sizes.allows(size))
}

impl Plan {
    /// Takes an answer from the end of the list.
    pub(in crate::walk) fn tailing(&mut self, request: Request, outcome: Outcome) -> Result<(), Contract> {
        let Phase::Tailing(tail) = &mut self.phase else { return Ok(()) };
        if tail.window() != request.window {
            return Ok(());
        }
        let seen = match State::of(request.window, outcome) {
            State::Here(page) => tail.answer(&page, self.round.overlap, &self.server.sizes),
            _ if tail.below.is_some() => return Err(Contract::Failed),
            _ => Seen::Lost,
        };
        if matches!(seen, Seen::More) {
            return Ok(());
        }
        if matches!(seen, Seen::Lost) {
            self.log.reasons.push("the end of the list moved too fast to be read again".to_owned());
        }
        self.phase = Phase::Closing(Closing::of(self));
        Ok(())
    }
}
