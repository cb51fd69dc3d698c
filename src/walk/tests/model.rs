//! A list that moves while it is read, in memory, and a driver for plans over it.

use std::collections::{BTreeMap, BTreeSet};

use crate::list::{Answer, Listed, Outcome, PageInfo, Request};

use crate::walk::{Contract, Goal, Plan, Settings, Tally, Verdict};

/// Requests that a walk of a few hundred rows can never need.
const TOO_MANY: u64 = 5_000;

/// One change of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A new row at the head.
    Insert,
    /// A new row at this place, with a start that suits it.
    BackDated(usize),
    /// The row at this place goes.
    Delete(usize),
    /// The row at this place goes to the head, as an update does in a list that is sorted by update time.
    Touch(usize),
}

/// A server with a list that changes between two requests.
#[derive(Debug, Clone)]
pub struct Model {
    pub rows: Vec<Listed>,
    /// Rows listed throughout, as they were at first.
    pub persistent: BTreeMap<u128, Listed>,
    pub fresh: u128,
    /// Largest page that is given.
    pub cap: u64,
    pub zero_based: bool,
    /// The size of every page, whatever is asked for.
    pub one_size: Option<u64>,
}

impl Model {
    /// Rows with these starts, newest first.
    pub fn new(starts: impl IntoIterator<Item = i64>) -> Self {
        let rows: Vec<_> =
            (1..).zip(starts).map(|(id, start)| Listed { id, start: Some(start), ..Listed::default() }).collect();
        Self::of(rows)
    }

    /// These rows, in this order.
    pub fn of(rows: Vec<Listed>) -> Self {
        let persistent = rows.iter().map(|row| (row.id, *row)).collect();
        Self { rows, persistent, fresh: 1_000_000, cap: u64::MAX, zero_based: false, one_size: None }
    }

    /// So many rows with distinct starts.
    pub fn plain(len: usize) -> Self {
        Self::new((0..len).map(|place| i64::try_from(len - place).unwrap() * 1_000_000_000))
    }

    pub fn change(&mut self, change: Change) {
        self.fresh += 1;
        match change {
            Change::Insert => self.insert(0),
            Change::BackDated(place) => self.insert(place.min(self.rows.len())),
            Change::Delete(place) if place < self.rows.len() => {
                let gone = self.rows.remove(place);
                self.persistent.remove(&gone.id);
            }
            Change::Touch(place) if place < self.rows.len() => {
                let row = self.rows.remove(place);
                self.rows.insert(0, row);
            }
            Change::Delete(_) | Change::Touch(_) => {}
        }
    }

    fn insert(&mut self, place: usize) {
        let start = |place: usize| self.rows.get(place).and_then(|row| row.start);
        let start = match (place.checked_sub(1).and_then(start), start(place)) {
            (None, Some(after)) => after + 1_000_000,
            (Some(before), after) => before.midpoint(after.unwrap_or(before - 1_000_000_000)),
            (None, None) => 1_000_000_000,
        };
        self.rows.insert(place, Listed { id: self.fresh, start: Some(start), ..Listed::default() });
    }

    /// The answer that a server without faults gives, by the list as it is now.
    pub fn answer(&self, request: Request) -> Outcome {
        let size = self.one_size.unwrap_or_else(|| u64::from(request.window.size).min(self.cap));
        let base = u64::from(!self.zero_based);
        let page = request.page.max(base) - base;
        let len = self.rows.len() as u64;
        let place = |at: u64| usize::try_from(at.min(len)).unwrap();
        let rows = self.rows[place(page * size)..place((page + 1) * size)].to_vec();
        let number = |number: u64| Some(i64::try_from(number).unwrap());
        let info = PageInfo {
            current_page: number(page + base),
            per_page: number(size),
            last_page: number(len.div_ceil(size).max(1) - 1 + base),
            total: number(len),
        };
        Outcome::Page { info, rows, unusable: 0, at: None }
    }
}

/// What a walk showed, and what it cost.
#[derive(Debug)]
pub struct Walked {
    pub verdict: Verdict,
    /// Listed throughout, and in no answer.
    pub lost: Vec<Listed>,
    pub requests: u64,
}

/// Drives a plan. `choose` picks which of the requests in flight is answered next; `serve` answers it, and may change
/// the list before or after. A request is answered by the list as it is when its turn comes.
pub fn drive(
    plan: Plan,
    model: &mut Model,
    width: usize,
    choose: impl FnMut(usize) -> usize,
    serve: impl FnMut(u64, Request, &mut Model) -> Outcome,
) -> Result<Walked, Contract> {
    drive_on(plan, model, width, choose, serve, Vec::new())
}

/// What an earlier walk has read: windows and their answers.
pub type Read = Vec<(crate::list::Window, PageInfo, Vec<Listed>, u64)>;

/// The same for a plan that goes on from what an earlier one has read.
pub fn drive_on(
    mut plan: Plan,
    model: &mut Model,
    width: usize,
    mut choose: impl FnMut(usize) -> usize,
    mut serve: impl FnMut(u64, Request, &mut Model) -> Outcome,
    read: Read,
) -> Result<Walked, Contract> {
    let mut flying: Vec<Request> = Vec::new();
    let mut pages: Vec<Vec<Listed>> = read.into_iter().map(|(_, _, rows, _)| rows).collect();
    let mut requests = 0;
    loop {
        let more = plan.next(width - flying.len());
        assert!(more.len() <= width - flying.len());
        flying.extend(more);
        if flying.is_empty() {
            break;
        }
        let request = flying.remove(choose(flying.len()));
        requests += 1;
        assert!(requests < TOO_MANY, "the walk does not end: {plan:?}");
        let outcome = serve(requests, request, model);
        if let Outcome::Page { rows, .. } = &outcome {
            pages.push(rows.clone());
        }
        plan.answer(Answer { request, outcome })?;
        if let Some(ids) = plan.question() {
            // What an earlier run has: everything that was listed from the start.
            let known = ids.iter().any(|id| *id < 1_000_000);
            plan.known(known);
        }
    }
    let since = usize::try_from(plan.since()).unwrap();
    let starts: BTreeSet<_> = pages[since..].iter().flatten().map(|row| (row.id, row.start)).collect();
    let distinct: BTreeSet<_> = starts.iter().map(|row| row.0).collect();
    let tally = Tally { distinct: distinct.len() as u64, moved: (starts.len() - distinct.len()) as u64 };
    let seen: BTreeSet<_> = pages.iter().flatten().map(|row| row.id).collect();
    let lost = model.persistent.values().filter(|row| !seen.contains(&row.id)).copied().collect();
    Ok(Walked { verdict: plan.finish(tally), lost, requests })
}

/// Settings for pages of this size.
pub fn settings(per_page: u32, overlap: u32) -> Settings {
    Settings { per_page, overlap, ..Settings::default() }
}

/// A full walk of a list that nothing disturbs, one request at a time.
pub fn quiet(model: &mut Model, per_page: u32) -> Walked {
    let plan = Plan::new(Goal::Full, settings(per_page, 2), false);
    drive(plan, model, 1, |_| 0, |_, request, model| model.answer(request)).unwrap()
}
