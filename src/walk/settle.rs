//! What answers mean: the front of the queue joins the chain, is asked for again, or has its joint repaired.

use super::chain::{Chain, Extended};
use super::goal::Goal;
use super::head::Seen;
use super::plan::{Phase, Plan};
use super::recall::Met;
use super::slot::{Purpose, Slot, State};
use super::window::{Window, reaching};
use super::{Contract, Listed, Page};

/// How often an answer that looks wrong is asked for again.
const AGAIN: u32 = 2;

/// How many windows must be answered with the first page until `page` counts as ignored.
const IGNORED: u32 = 3;

/// What is wrong with an answer.
enum Fault {
    /// Not as many rows as there should be.
    Odd(String),
    /// By its own number, another page than was asked for.
    Other(String),
    /// More rows than asked for, or another size by its own word: the size is not honoured.
    Size(u32),
    /// The first page again.
    First,
}

impl Plan {
    /// Takes what has arrived at the front of the queue, in order.
    pub(super) fn settle(&mut self) -> Result<(), Contract> {
        while matches!(self.slots.front(), Some(Slot { state: State::Here(_), .. })) {
            let Some(mut slot) = self.slots.pop_front() else { break };
            if let State::Here(page) = std::mem::replace(&mut slot.state, State::Planned) {
                self.take(slot, page)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, mut slot: Slot, page: Page) -> Result<(), Contract> {
        let fault = self.fault(&slot, &page);
        // Without a total nothing tells the end from a page that is empty for a moment.
        let is_blank = page.listed() == 0 && self.wanted(&page).is_none() && slot.tries == 0;
        if is_blank || fault.is_some() && slot.tries < AGAIN {
            slot.tries += 1;
            self.slots.push_front(slot);
            return Ok(());
        }
        match fault {
            Some(Fault::First) => {
                self.ignored = self.ignored.map(|ignored| ignored + 1);
                if self.ignored.is_some_and(|ignored| ignored >= IGNORED) {
                    return Err(Contract::PageIgnored { page: slot.window.page });
                }
                self.leave_out(format!("page {} is the first page again", slot.window.page), &page);
            }
            Some(Fault::Size(size)) => self.pass(size),
            Some(Fault::Odd(fault)) => self.leave_out(fault, &page),
            // Rows say more than numbers: whether it is another page the joint will tell.
            fault @ (Some(Fault::Other(_)) | None) => {
                if fault.is_some() {
                    self.echo = None;
                }
                self.totals.observe(&page);
                self.join(slot, page);
            }
        }
        Ok(())
    }

    fn fault(&self, slot: &Slot, page: &Page) -> Option<Fault> {
        let Window { size, page: number } = page.window;
        let listed = page.listed();
        let echo = page.info.per_page.and_then(|echo| u32::try_from(echo).ok()).filter(|&echo| echo > 0);
        // Rows say more of the size than words do.
        let is_as_asked = listed == self.wanted(page).unwrap_or(u64::from(size));
        let is_other = size < self.largest && echo.is_some_and(|echo| echo != size) && !is_as_asked;
        if listed > u64::from(size) || is_other && listed > 0 {
            return Some(Fault::Size(u32::try_from(listed).unwrap_or(u32::MAX).max(echo.unwrap_or(0))));
        }
        let is_first = self.chain.as_ref().is_some_and(|chain| chain.head().starts_with(&page.rows));
        let suspect = self.ignored.is_some() && self.begins_at_head() && !self.totals.grew(page);
        if suspect && is_first && number > 1 && !page.is_short() && self.reach > u64::from(size) {
            return Some(Fault::First);
        }
        self.oddity(page, slot.purpose == Purpose::Behind)
    }

    /// Whether an answer has not as many rows as it should have, or is another page than was asked for.
    fn oddity(&self, page: &Page, may_be_short: bool) -> Option<Fault> {
        let Window { size, page: number } = page.window;
        let (listed, wanted) = (page.listed(), self.wanted(page));
        if let Some(wanted) = wanted.filter(|&wanted| listed < wanted && !may_be_short) {
            return Some(Fault::Odd(format!("page {number} of {size} sessions each had {listed} of {wanted}")));
        }
        let asked = i64::try_from(number).unwrap_or(i64::MAX).saturating_add(self.echo?);
        let other = page.info.current_page.filter(|&current| current != asked && wanted != Some(0));
        other.map(|current| Fault::Other(format!("page {asked} was answered with page {current}")))
    }

    /// Rows that a page should have, as far as is known.
    fn wanted(&self, page: &Page) -> Option<u64> {
        let total = super::totals::believable(page).or_else(|| self.totals.latest())?;
        Some(total.saturating_sub(page.window.offset()).min(u64::from(page.window.size)))
    }

    /// Any later page that holds something else than the first one shows that `page` is not ignored.
    pub(super) fn compare_with_head(&mut self, page: Option<&Page>) {
        let (Some(chain), Some(page)) = (&self.chain, page) else { return };
        let of_head = |row: &Listed| chain.head().iter().any(|other| other.id == row.id);
        if self.ignored.is_some() && page.window.page > 1 && !page.rows.iter().all(of_head) {
            self.ignored = None;
        }
    }

    pub(super) const fn begins_at_head(&self) -> bool {
        self.begun_at == 0
    }

    /// An answer that stays wrong can't join anything. What it lacks must come from the windows around it.
    fn leave_out(&mut self, fault: String, page: &Page) {
        self.barren += 1;
        if self.chain.is_none() {
            self.reasons.push(fault);
            self.start(page);
        } else if self.faults.len() < 3 {
            self.faults.push(fault);
        }
    }

    fn join(&mut self, slot: Slot, page: Page) {
        let Some(chain) = &mut self.chain else { return self.start(&page) };
        if page.rows.is_empty() {
            if page.window.page == 1 && chain.tail().is_empty() {
                self.end.reached(&page);
            } else {
                self.end.nothing(page.window.size);
            }
            self.barren += 1;
            return;
        }
        let known = |row: &Listed| chain.tail().iter().any(|other| other.id == row.id);
        if slot.purpose == Purpose::Behind && page.rows.iter().all(known) {
            self.end.nothing(page.window.size); // the last page again
            return;
        }
        match chain.extend(&page.rows, self.settings.slack, self.ties) {
            Extended::Further => self.advanced(slot.purpose, &page),
            Extended::Contained => self.contained(slot.purpose, &page),
            why @ (Extended::Tied | Extended::Apart | Extended::Reordered) => self.repair(slot, page, why),
        }
    }

    /// The walk's first answer. That of a range must begin at or after its upper bound.
    fn start(&mut self, page: &Page) {
        let chain = Chain::new(page.rows.clone());
        if let Goal::Range { to, .. } = self.goal {
            let top = page.rows.first().and_then(|row| row.start);
            let margin = self.settings.slack.max(chain.order().slack());
            let late = page.window.page == 1 || top.is_some_and(|top| top >= to.saturating_add(margin));
            if !late {
                let earlier = Window { page: page.window.page - 1, ..page.window };
                return self.begin(earlier);
            }
        }
        self.chain = Some(chain);
        self.advanced(Purpose::Walk, page);
    }

    fn advanced(&mut self, purpose: Purpose, page: &Page) {
        self.reach = page.end();
        self.end.moved();
        self.end.reached(page);
        self.barren = 0;
        self.joined(purpose, page);
        self.check_goal(&page.rows);
        if self.is_newest_first()
            && let Some(met) = self.recall.meet(page)
        {
            self.go_on_behind(met);
        }
    }

    /// The walk has met an earlier one: what that has read is not asked for again.
    fn go_on_behind(&mut self, Met { chain: earlier, reach }: Met) {
        let Some(chain) = &mut self.chain else { return };
        let earlier = earlier.aged();
        chain.bridge(&earlier);
        self.slots.clear();
        (self.seam, self.forward) = (0, None);
        (self.reach, self.planned_to) = (reach, reach);
        self.end.moved();
        let rows = earlier.tail().to_vec();
        self.check_goal(&rows);
    }

    fn contained(&mut self, purpose: Purpose, page: &Page) {
        let last = |rows: &[Listed]| rows.last().map(|row| row.id);
        if self.chain.as_ref().is_some_and(|chain| last(chain.tail()) == last(&page.rows)) {
            self.reach = page.end();
            self.end.reached(page);
        }
        self.joined(purpose, page);
    }

    fn joined(&mut self, purpose: Purpose, page: &Page) {
        self.counts.windows += 1;
        if purpose == Purpose::Repair {
            self.forward = Some(page.end());
        } else {
            (self.seam, self.forward) = (0, None);
            self.faults.clear();
        }
    }

    /// Asks for a window that should join this answer to the chain; where too many were asked for already, goes on
    /// without.
    fn repair(&mut self, mut slot: Slot, page: Page, why: Extended) {
        if why == Extended::Apart && self.is_above(&page) {
            // So many new sessions that the chain's end is further down: what is here is behind it already.
            self.forward = Some(page.end());
            self.seam += u32::from(slot.purpose == Purpose::Repair);
            return;
        }
        slot.state = State::Here(page);
        if self.seam >= self.settings.repairs {
            self.slots.push_front(slot);
            return self.give_up(why);
        }
        self.seam += 1;
        self.counts.repairs += 1;
        if why == Extended::Apart && self.faults.is_empty() {
            // Changes came faster than the overlap allows for.
            self.overlap = (self.overlap * 2).min(u64::from(self.largest / 2).max(1));
        }
        if slot.purpose == Purpose::Repair {
            self.forward = None;
        }
        let window = self.repair_window(slot.window.offset());
        self.slots.push_front(slot);
        self.slots.push_front(Slot::new(window, Purpose::Repair));
    }

    fn is_above(&self, page: &Page) -> bool {
        self.is_newest_first() && self.chain.as_ref().is_some_and(|chain| chain.is_above(&page.rows))
    }

    /// Onwards from what joined the chain last, else back from the answer that does not join; further each time.
    fn repair_window(&self, offset: u64) -> Window {
        let step = self.overlap + 4 * u64::from(self.seam);
        let wider = self.overlap.saturating_mul(1 << self.seam.min(20));
        let (from, overlap) = match self.forward {
            Some(forward) => (forward, step),
            None if self.reach < offset => (self.reach, step),
            None => (offset, wider),
        };
        // What a page of one size never gives, one of another size may.
        let largest = if self.faults.is_empty() { self.largest } else { self.largest.div_ceil(2) };
        let start = from.saturating_sub(overlap) / u64::from(largest);
        reaching(from, overlap, largest).unwrap_or(Window { size: largest, page: start + 1 })
    }

    /// The joint stays broken: what was asked for its sake is let go, and the walk goes on behind the gap. Ties that
    /// can't be parted are no gap in a list that is still.
    fn give_up(&mut self, why: Extended) {
        while self.slots.front().is_some_and(|slot| slot.purpose == Purpose::Repair) {
            self.slots.pop_front();
        }
        (self.seam, self.forward) = (0, None);
        if why == Extended::Tied && !self.ties {
            self.ties = true;
            return; // `settle` takes the front slot once more.
        }
        let Some(Slot { state: State::Here(page), .. }) = self.slots.pop_front() else { return };
        let from = page.window.offset();
        let reason = match why {
            _ if !self.faults.is_empty() => std::mem::take(&mut self.faults).join(", "),
            Extended::Reordered => "sessions changed places".to_owned(),
            _ => "the list moved too fast".to_owned(),
        };
        self.reasons.push(format!("a gap before position {from} could not be closed: {reason}"));
        if let Some(chain) = &mut self.chain {
            chain.leap(&page.rows);
        }
        self.advanced(Purpose::Walk, &page);
    }

    /// Whether the chain now reaches as far as the goal.
    fn check_goal(&mut self, rows: &[Listed]) {
        self.unordered |= !self.is_newest_first();
        if self.unordered {
            return;
        }
        // Rows that stand a little too low or too high may not have shown yet.
        let margin = self.settings.slack.max(self.slack());
        let before = |row: &Listed, time: i64| row.start.is_none_or(|start| start < time.saturating_sub(margin));
        let tells = self.chain.as_ref().is_some_and(|chain| chain.order().tells(self.settings.slack));
        match self.goal {
            Goal::Since { from } if tells && rows.iter().all(|row| before(row, from)) => self.finish_at_head(),
            Goal::Nightly { down_to } if tells && rows.iter().all(|row| before(row, down_to)) => {
                self.question = Some(rows.iter().map(|row| row.id).collect());
            }
            Goal::Range { from, .. } if tells && rows.iter().any(|row| before(row, from)) => self.finish_at_head(),
            Goal::Full | Goal::Since { .. } | Goal::Nightly { .. } | Goal::Range { .. } => {}
        }
    }

    /// Takes the head as it is at the end.
    pub(super) fn heading(&mut self, page: &Page) {
        let oddity = self.oddity(page, false);
        let Phase::Heading(head) = &mut self.phase else { return };
        if head.window() != page.window {
            return; // an answer that was in flight when the goal was reached
        }
        let gone = head.is_gone(page).then(|| Fault::Odd("nothing is there".to_owned()));
        let oddity = oddity.or(gone);
        if (oddity.is_some() || head.is_blank(page)) && head.ask_again() {
            return;
        }
        if let Some(Fault::Odd(oddity) | Fault::Other(oddity)) = oddity {
            self.reasons.push(format!("the head of the list could not be read again: {oddity}"));
        } else {
            self.totals.observe(page);
        }
        match head.answer(&page.rows, self.overlap, self.largest) {
            Seen::More => return,
            Seen::Lost => self.reasons.push("the head of the list moved too fast to be read again".to_owned()),
            Seen::Met { inserted, unchanged, order } => {
                self.counts.inserted = inserted;
                self.head_unchanged = unchanged;
                if order.slack() > self.settings.slack && self.is_newest_first() {
                    self.reasons.push("an older session moved to the head of the list while it was read".to_owned());
                }
            }
        }
        let again = !self.is_ordered() && !self.is_still() && self.begin_again();
        if !again {
            self.phase = Phase::Done;
        }
    }

    /// Whether the list is newest first, as far as it was read.
    pub(super) fn is_newest_first(&self) -> bool {
        self.chain.as_ref().is_none_or(|chain| chain.order().is_newest_first(self.settings.slack))
    }

    /// Whether a chain proves something while the list moves.
    pub(super) fn is_ordered(&self) -> bool {
        self.is_newest_first() && self.chain.as_ref().is_none_or(Chain::is_strict)
    }

    pub(super) fn slack(&self) -> i64 {
        self.chain.as_ref().map_or(0, |chain| chain.order().slack())
    }

    /// Whether nothing changed while the whole list was read.
    pub(super) fn is_still(&self) -> bool {
        let exact = self.chain.as_ref().is_none_or(Chain::is_exact);
        exact && self.head_unchanged && self.ended && self.totals.constant().is_some()
    }

    /// Whether the walk went to the end of the list.
    pub(super) const fn covers_all(&self) -> bool {
        self.ended
    }
}
