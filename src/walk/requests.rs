//! Which request comes next, in each phase, and by which number the server knows its page.

use super::plan::{Phase, Plan};
use crate::list::{Request, Window};

impl Plan {
    pub(super) fn request(&mut self) -> Option<Request> {
        if self.log.counts.requests == 0 && self.pace.flying == 0 {
            self.server.unordered |= !self.recall.close();
        }
        let (base, own) = (self.server.base.number(), self.server.sizes.are_the_servers());
        if let Some(doubt) = &mut self.doubt {
            return doubt.next(base, own);
        }
        let window = match &mut self.phase {
            Phase::Opening(opening) => return opening.next(),
            Phase::Locating(locate) if self.pace.flying == 0 => {
                if let Some(window) = locate.window() {
                    window
                } else {
                    let (found, is_sorted) = (locate.found(), locate.is_newest_first());
                    self.server.unordered |= !is_sorted;
                    let first = Window { size: self.server.sizes.largest(), page: 1 };
                    self.begin(if is_sorted { found } else { first });
                    return self.request();
                }
            }
            Phase::Salvaging(_) if self.pace.flying == 0 => match self.salvage() {
                // It may fail once more.
                Some(window) => return Some(self.named(window, true, own)),
                None => return self.request(),
            },
            Phase::Heading(head) if self.pace.flying == 0 => {
                let window = head.window();
                if window.page == 1 && head.reads_page_zero() {
                    // By its other name, so that both are known to be the head.
                    return Some(Request::probe(window, 0));
                }
                window
            }
            Phase::Tailing(tail) if self.pace.flying == 0 => tail.window(),
            Phase::Walking if self.round.is_spent(self.server.sizes.largest(), self.server.depths.most()) => {
                let why = "the list was asked for three times over: it has no end, or it moves as fast as it is read";
                self.log.reasons.push(why.to_owned());
                self.finish_at_head();
                return self.request();
            }
            Phase::Walking => match self.walking() {
                Some(window) => {
                    self.round.spent.ask();
                    window
                }
                None if matches!(self.phase, Phase::Walking) => return None,
                None => return self.request(),
            },
            Phase::Passing => {
                let window = self.passes.as_mut()?.next()?;
                return Some(self.named(window, self.is_passed_over(window), own));
            }
            Phase::Closing(closing) if self.pace.flying == 0 => {
                let Some(request) = closing.next(base, own) else {
                    self.phase = Phase::Done;
                    return None;
                };
                return Some(request);
            }
            Phase::Locating(_)
            | Phase::Salvaging(_)
            | Phase::Heading(_)
            | Phase::Tailing(_)
            | Phase::Closing(_)
            | Phase::Done => return None,
        };
        let goes_on = matches!(self.phase, Phase::Walking | Phase::Heading(_));
        let is_behind = goes_on && self.is_behind(window);
        Some(self.named(window, is_behind, own))
    }

    /// A request for a window, by the number that the server gives its page. `is_behind`: nothing may be there.
    fn named(&self, window: Window, is_behind: bool, own_size: bool) -> Request {
        let page = window.page - 1 + self.server.base.number();
        let request = if is_behind { Request::probe(window, page) } else { Request::documented(window, page) };
        Request { own_size, ..request }
    }

    /// Whether nothing may be there, as far as is known.
    pub(super) fn is_behind(&self, window: Window) -> bool {
        window.page > 1 && window.offset() >= self.round.known_end()
    }
}
