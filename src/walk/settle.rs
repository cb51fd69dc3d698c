//! What answers mean: the front of the queue joins the chain, is asked for again, or is told as a gap.

use super::base::Word;
use super::chain::{Chain, Extended};
use super::goal::Goal;
use super::order::Key;
use super::plan::Plan;
use super::plan::fault::Fault;
use super::recall::Met;
use super::slot::{Failure, Purpose, Slot, State};
use super::{Contract, Page};
use crate::list::{Listed, Silence, Window};

/// How often an answer that looks wrong is asked for again.
const AGAIN: u32 = 2;

/// How many windows must be answered with the first page until `page` counts as ignored.
const IGNORED: u32 = 3;

/// What an answer from behind the chain says of the end, where it is a page that is known already under another number: the
/// last page again is nothing, the first one no answer. `None` where it may be a part of the list.
fn known_again(has_false_totals: bool, reach: u64, chain: &Chain, slot: &Slot, page: &Page) -> Option<Word> {
    let offset = page.window.offset();
    let told = super::totals::plausible(page.info).filter(|_| !has_false_totals);
    let is_beyond = slot.purpose == Purpose::Behind || told.is_some_and(|total| total <= offset);
    if !is_beyond && offset < reach {
        return None;
    }
    let is_last = chain.ends_like(&page.rows) || is_beyond && chain.knows_all(&page.rows);
    let is_first = chain.head().starts_with(&page.rows) && page.rows.len() > 1;
    match (is_last, is_first) {
        (true, _) => Some(Word::Nothing),
        (false, true) => Some(Word::Silent(Silence::Shape)),
        (false, false) => None,
    }
}

impl Plan {
    /// Takes what has arrived at the front of the queue, in order.
    pub(super) fn settle(&mut self) -> Result<(), Contract> {
        let is_here = |slot: &Slot| matches!(slot.state, State::Here(_) | State::Failed(_));
        while !self.is_in_doubt() && self.round.slots.front().is_some_and(is_here) {
            let Some(mut slot) = self.round.slots.pop_front() else { break };
            match std::mem::replace(&mut slot.state, State::Planned) {
                State::Here(page) => self.take(slot, page)?,
                State::Failed(failure) => self.fail(slot, failure),
                State::Planned | State::Flying => {}
            }
        }
        Ok(())
    }

    /// Takes a window that brought no page.
    fn fail(&mut self, slot: Slot, failure: Failure) {
        let offset = slot.window.offset();
        if self.is_behind(slot.window) {
            self.round.end.refused(slot.window.size, failure.word);
            self.round.spent.bring_nothing();
        } else if self.round.refused_from.is_some_and(|from| offset >= from) {
            self.refused(&slot, failure);
        } else if slot.is_probe {
            // It was asked for before the list was known to go on so far.
            self.round.slots.push_front(slot);
        } else {
            self.doubt(slot);
        }
    }

    /// A position is refused, whatever is asked for there. What lies there must come from the windows around it.
    pub(super) fn refused(&mut self, slot: &Slot, failure: Failure) {
        let Window { size, page: number } = slot.window;
        let from = self.round.refused_from.unwrap_or(u64::MAX).min(slot.window.offset());
        self.round.refused_from = Some(from);
        let fault = format!("page {number} of {size} sessions each {}", failure.text());
        self.leave_out(fault, &Page::empty(slot.window));
    }

    fn take(&mut self, mut slot: Slot, page: Page) -> Result<(), Contract> {
        let fault = self.fault(&slot, &page);
        // Without a total nothing tells the end from a page that is empty for a moment.
        let is_blank = page.listed() == 0 && self.wanted(&page).is_none() && slot.tries == 0;
        if is_blank || fault.is_some() && slot.tries < AGAIN {
            slot.tries += 1;
            self.round.slots.push_front(slot);
            return Ok(());
        }
        match fault {
            Some(Fault::First) => {
                self.server.ignored = self.server.ignored.map(|ignored| ignored + 1);
                if self.server.ignored.is_some_and(|ignored| ignored >= IGNORED) {
                    return Err(Contract::PageIgnored { page: slot.window.page });
                }
                self.leave_out(format!("page {} is the first page again", slot.window.page), &page);
            }
            Some(Fault::Size(size)) => self.pass(size),
            Some(Fault::Odd(fault)) => self.leave_out(fault, &page),
            // Rows say more than numbers: whether it is another page the joint will tell.
            fault @ (Some(Fault::Other) | None) => {
                if fault.is_some() {
                    self.server.echo = None;
                }
                self.join(slot, page);
            }
        }
        Ok(())
    }

    /// An answer that stays wrong can't join anything. What it lacks must come from the windows around it.
    fn leave_out(&mut self, fault: String, page: &Page) {
        self.round.spent.bring_nothing();
        if self.round.chain.is_none() {
            self.log.reasons.push(fault);
            self.start(page);
        } else if self.round.seam.faults.len() < 3 {
            self.round.seam.faults.push(fault);
        }
    }

    fn join(&mut self, slot: Slot, page: Page) {
        let round = &mut self.round;
        let nameless = page.names_nobody();
        let Some(chain) = &mut round.chain else {
            round.totals.observe(&page);
            self.start(&page);
            return self.round.seam.faults.extend(nameless);
        };
        if let Some(fault) = nameless {
            // They join nothing, and are no end of the list either.
            round.totals.observe(&page);
            return self.leave_out(fault, &page);
        }
        if page.rows.is_empty() {
            round.totals.observe(&page);
            round.end.brought(page.window.size, Word::Nothing);
            round.spent.bring_nothing();
            return;
        }
        if let Some(word) = known_again(round.has_false_totals, round.reach, chain, &slot, &page) {
            round.end.brought(page.window.size, word);
            round.spent.bring_nothing();
            return;
        }
        round.totals.observe(&page);
        match chain.extend(&page.rows, round.ties) {
            Extended::Further => self.advanced(slot.purpose, &page),
            Extended::Contained => self.contained(slot.purpose, &page),
            why @ (Extended::Tied | Extended::Apart | Extended::Reordered) => self.repair(slot, page, why),
        }
    }

    /// The walk's first answer. That of a range must begin at or after its upper bound.
    fn start(&mut self, page: &Page) {
        let chain = Chain::new(page.rows.clone(), self.settings.slack);
        if let Goal::Range { to, .. } = self.goal {
            let top = page.rows.first().and_then(|row| row.start);
            let margin = chain.orders().first().map_or(0, |sort| chain.orders().slack(sort)).max(self.settings.slack);
            let late = page.window.page == 1 || top.is_some_and(|top| top >= to.saturating_add(margin));
            if !late {
                let earlier = Window { page: page.window.page - 1, ..page.window };
                return self.begin(earlier);
            }
        }
        self.round.chain = Some(chain);
        self.advanced(Purpose::Walk, page);
    }

    pub(super) fn advanced(&mut self, purpose: Purpose, page: &Page) {
        let is_told = super::totals::plausible(page.info).is_some();
        self.round.has_false_totals |= is_told && super::totals::believable(page).is_none();
        self.round.reach = page.end();
        self.round.end.moved();
        self.reached(page);
        self.round.spent.bring();
        self.joined(purpose, page);
        if matches!(self.goal, Goal::Stretch { to, .. } if self.round.reach >= to) {
            return self.finish_at_head();
        }
        self.check_goal(&page.rows);
        if self.round.is_newest_first()
            && let Some(met) = self.recall.meet(page, self.round.fits())
        {
            self.go_on_behind(met);
        }
    }

    /// An answer that ends with the chain's last row.
    fn reached(&mut self, page: &Page) {
        self.round.end.reached(page);
        if page.window.page > 1 && self.round.end.is_agreed() {
            self.server.base.rest_fits();
        }
    }

    /// The walk has met an earlier one: what that has read is not asked for again.
    fn go_on_behind(&mut self, Met { chain: earlier, descends, reach }: Met) {
        let round = &mut self.round;
        let Some(chain) = &mut round.chain else { return };
        let earlier = earlier.aged();
        chain.bridge(&earlier, descends);
        round.slots.clear();
        round.seam = super::plan::round::Seam::default();
        // Sessions may be gone that it had.
        let total = round.totals.latest().filter(|_| !round.has_false_totals);
        let reach = total.map_or(reach, |total| reach.min(total.max(round.reach)));
        (round.reach, round.planned_to, round.met_at) = (reach, reach, reach);
        round.end.moved();
        let rows = earlier.tail().to_vec();
        self.check_goal(&rows);
    }

    fn contained(&mut self, purpose: Purpose, page: &Page) {
        let (chain, before) = (self.round.chain.as_ref(), self.round.reach);
        if chain.is_some_and(|chain| chain.ends_like(&page.rows)) {
            self.round.reach = page.end();
            self.reached(page);
        } else if let Some(behind) = chain.and_then(|chain| chain.behind(&page.rows)) {
            // What was read earlier lies further down by now.
            self.round.reach = before.max(page.end() + behind);
        }
        self.joined(purpose, page);
        if purpose != Purpose::Repair && self.round.reach <= before {
            self.round.spent.bring_nothing();
        }
    }

    fn joined(&mut self, purpose: Purpose, page: &Page) {
        self.server.base.meet(&page.rows);
        self.log.counts.windows += 1;
        let seam = &mut self.round.seam;
        if purpose == Purpose::Repair {
            seam.forward = Some(page.end());
        } else {
            *seam = super::plan::round::Seam::default();
        }
    }

    /// Whether the chain now reaches as far as the goal. Which of the orders that fit is the list's own is not known, so a
    /// place to stop must be one in each of them; ids are no times, and an order that grows at the end has no such place.
    fn check_goal(&mut self, rows: &[Listed]) {
        let Some(chain) = &self.round.chain else { return };
        if !chain.orders().tells() {
            return;
        }
        let is_time = |sort: &super::order::Sort| sort.key != Key::Id;
        let fits = chain.orders().fits();
        // Without a running session nothing tells where a list by end has them; one by start has no such place.
        let by_start = fits.each().any(|sort| sort.key == Key::Start && sort.descending);
        let may_stop = |sort: super::order::Sort| sort.grows_at_the_head() || by_start && sort.descending;
        let mut times = fits.each().filter(is_time).peekable();
        self.server.unordered |= times.peek().is_none() || !times.all(may_stop);
        if self.server.unordered {
            return;
        }
        // Rows that stand a little too low or too high may not have shown yet.
        let margin = self.settings.slack.max(self.round.slack());
        let fits = self.round.fits();
        let before = |row: &Listed, time: i64| {
            fits.each().filter(is_time).all(|sort| sort.is_before(row, time.saturating_sub(margin)))
        };
        match self.goal {
            Goal::Since { from } if rows.iter().all(|row| before(row, from)) => self.finish_at_head(),
            Goal::Nightly { down_to } if rows.iter().all(|row| before(row, down_to)) => {
                self.round.question = Some(rows.iter().map(|row| row.id).collect());
            }
            Goal::Range { from, .. } if rows.iter().any(|row| before(row, from)) => self.finish_at_head(),
            Goal::Stretch { floor: Some(floor), .. } if rows.iter().all(|row| before(row, floor)) => {
                self.finish_at_head();
            }
            Goal::Full
            | Goal::Since { .. }
            | Goal::Nightly { .. }
            | Goal::Range { .. }
            | Goal::Survey
            | Goal::Stretch { .. } => {}
        }
    }
}
