//! The last look: page 0 once more, where it has not shown how the pages are counted, and what the end rests on where the
//! server answers no page behind it.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Phase, Plan};
use crate::list::{Listed, Outcome, Request, Silence, Window};
use crate::walk::base::Word;
use crate::walk::window::far_behind;

/// One request each, sent when all else is read.
#[derive(Debug, Clone)]
enum Look {
    /// Page 0, where it has not shown yet how the pages are counted.
    Zero(Window),
    /// A page far behind the end: it must fail as those just behind it did.
    Far(Window, Silence),
    /// A short answer, which must be the same after a pause.
    Short(Window, Vec<Listed>, Duration),
}

/// The looks that are still to come.
#[derive(Debug)]
pub(in crate::walk) struct Closing {
    looks: VecDeque<Look>,
    /// The first of them is under way.
    flying: bool,
}

impl Closing {
    pub(in crate::walk) fn of(plan: &Plan) -> Self {
        let size = plan.server.sizes.proven();
        let mut looks = VecDeque::new();
        if plan.server.base.wants_zero() {
            looks.push_back(Look::Zero(Window { size, page: 1 }));
        }
        if let Some((silence, short)) = plan.round.end.rests_on_silence() {
            looks.push_back(Look::Far(far_behind(size), silence));
            let pauses = [plan.settings.pause].into_iter().chain(std::iter::repeat(Duration::ZERO));
            looks.extend(short.into_iter().zip(pauses).map(|((window, rows), pause)| Look::Short(window, rows, pause)));
        }
        Self { looks, flying: false }
    }

    /// The next request, `None` when all is seen. `base`: the number of the first page; `own_size`: the server chooses the
    /// size of its pages.
    pub(in crate::walk) fn next(&mut self, base: u64, own_size: bool) -> Option<Request> {
        let look = self.looks.front()?;
        self.flying = true;
        let request = match look {
            Look::Zero(window) => Request::probe(*window, 0),
            Look::Far(window, _) => Request::probe(*window, window.page - 1 + base),
            Look::Short(window, _, pause) => {
                Request { after: *pause, ..Request::documented(*window, window.page - 1 + base) }
            }
        };
        Some(Request { own_size, ..request })
    }
}

impl Plan {
    /// Takes an answer to the last look.
    pub(in crate::walk) fn close(&mut self, outcome: &Outcome) {
        let Phase::Closing(closing) = &mut self.phase else { return };
        if !std::mem::take(&mut closing.flying) {
            return; // an answer that was in flight before
        }
        match closing.looks.pop_front() {
            Some(Look::Zero(_)) => {
                let head = if self.round.head.is_empty() { None } else { Some(&self.round.head) };
                let passed = self.passes.as_ref().map(|passes| passes.head());
                self.server.base.again(outcome, head.map(Vec::as_slice).or(passed).unwrap_or_default());
            }
            Some(Look::Far(_, silence)) if Word::behind(outcome, &self.round.head) != Some(Word::Silent(silence)) => {
                self.log.reasons.push("pages behind the end of the list fail in different ways".to_owned());
            }
            Some(Look::Short(window, rows, _)) => {
                let is_same = matches!(outcome, Outcome::Page { rows: again, .. } if *again == rows);
                if !is_same {
                    let number = window.page;
                    self.log.reasons.push(format!("the end of the list changed while it was looked at: page {number}"));
                }
            }
            Some(Look::Far(..)) | None => {}
        }
    }
}
