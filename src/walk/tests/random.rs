//! Random schedules: more rows, ties that change places, moves, lying totals, many requests in flight.

use super::model::{Change, Model, Walked, drive, settings};
use crate::list::Outcome;
use crate::walk::{Evidence, Goal, Plan, Settings};

/// A small generator; the tests must give the same on every machine.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound.max(1)
    }

    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

/// What may happen while a list is read.
#[allow(clippy::struct_excessive_bools)] // each is a thing of its own
#[derive(Debug, Clone, Copy)]
struct Weather {
    /// Once in so many requests the list changes.
    changes: usize,
    /// Rows of equal start change places with every request.
    shuffled: bool,
    /// Rows move to the head.
    touches: bool,
    /// Once in four answers the total is missing, 0, 3, or one too many.
    lies: bool,
    /// Some answers show the list as it was earlier in the walk, as a cache would.
    stale: bool,
}

const CALM: Weather = Weather { changes: 3, shuffled: false, touches: false, lies: false, stale: false };

fn shuffle_ties(model: &mut Model, random: &mut Random) {
    for place in 1..model.rows.len() {
        if model.rows[place - 1].start == model.rows[place].start && random.once_in(2) {
            model.rows.swap(place - 1, place);
        }
    }
}

fn change(model: &mut Model, random: &mut Random, weather: Weather) {
    let place = random.below(model.rows.len() + 1);
    model.change(match random.below(if weather.touches { 4 } else { 3 }) {
        0 => Change::Insert,
        1 => Change::BackDated(place),
        2 => Change::Delete(place),
        _ => Change::Touch(place),
    });
}

/// Walks once; `None` where the plan takes so strange a server for one that breaks its contract.
fn walk(seed: u64, goal: Goal, weather: Weather) -> Option<Walked> {
    let mut random = Random(seed);
    let len = random.below(60);
    let ties = 1 + random.below(3);
    let mut model = Model::new((0..len).rev().map(|at| i64::try_from(at / ties).unwrap() * 1_000_000_000));
    let width = [1, 2, 8][random.below(3)];
    // A first page whose rows have all moved up in their old order looks as if nothing had. Where it has few rows,
    // chance makes that happen.
    let least = if weather.touches { 10 } else { 4 };
    let per_page = u32::try_from(least + random.below(9)).unwrap();
    let repairs = u32::try_from(2 + random.below(8)).unwrap();
    let plan = Plan::new(goal, Settings { repairs, ..settings(per_page, 1) }, false);
    let mut order = Random(seed ^ 0x4d);
    let mut past: Vec<Model> = Vec::new();
    let serve = |_, request, model: &mut Model| {
        while random.once_in(weather.changes) {
            change(model, &mut random, weather);
        }
        if weather.shuffled {
            shuffle_ties(model, &mut random);
        }
        past.push(model.clone());
        let shown = if weather.stale && random.once_in(4) { random.below(past.len()) } else { past.len() - 1 };
        let mut outcome = past[shown].answer(request);
        if let (true, Outcome::Page { info, .. }) = (weather.lies && random.once_in(4), &mut outcome) {
            info.total = [None, Some(0), Some(3), info.total.map(|total| total + 1)][random.below(4)];
        }
        outcome
    };
    let walked = drive(plan, &mut model, width, |flying| order.below(flying), serve).ok();
    assert!(walked.is_some() || weather.lies || weather.touches, "{seed} {weather:?}");
    walked
}

/// Walks many seeds; a row is lost only with evidence none. Returns how many were proven.
fn storm(seeds: u64, weather: Weather) -> u64 {
    let mut proven = 0;
    for seed in 0..seeds {
        let Some(walked) = walk(seed, Goal::Full, weather) else { continue };
        assert!(walked.lost.is_empty() || walked.verdict.evidence < Evidence::Twice, "{seed} {weather:?} {walked:?}");
        proven += u64::from(walked.verdict.evidence == Evidence::Chain);
    }
    proven
}

#[test]
fn changes_alone_cost_no_row() {
    let proven = storm(20_000, CALM);
    assert!(proven > 10_000, "{proven}");
    storm(5_000, Weather { changes: 2, ..CALM });
}

#[test]
fn answers_out_of_a_cache_cost_no_row() {
    let proven = storm(10_000, Weather { stale: true, ..CALM });
    assert!(proven > 2_000, "{proven}");
}

#[test]
fn ties_that_change_places_cost_no_row() {
    let proven = storm(20_000, Weather { shuffled: true, ..CALM });
    assert!(proven > 2_000, "{proven}");
}

#[test]
fn lies_and_moves_cost_no_row_unseen() {
    storm(20_000, Weather { lies: true, ..CALM });
    storm(20_000, Weather { touches: true, ..CALM });
    storm(20_000, Weather { touches: true, lies: true, shuffled: true, changes: 4, stale: false });
}

#[test]
fn nightly_walks_cover_down_to_their_time() {
    let mut stopped_early = 0;
    for seed in 0..20_000 {
        let down_to = i64::try_from(seed % 40).unwrap() * 1_000_000_000;
        let walked = walk(seed, Goal::Nightly { down_to }, CALM).unwrap();
        let lost = walked.lost.iter().any(|row| row.start >= Some(down_to));
        assert!(!lost || walked.verdict.evidence < Evidence::Twice, "{seed} {walked:?}");
        stopped_early += u64::from(!walked.lost.is_empty() && walked.verdict.evidence == Evidence::Chain);
    }
    assert!(stopped_early > 3_000, "{stopped_early}");
}

#[test]
fn ranges_are_found_and_covered() {
    let mut partial = 0;
    for seed in 0..20_000 {
        let from = i64::try_from(seed % 30).unwrap() * 1_000_000_000;
        let to = from + i64::try_from(seed % 11).unwrap() * 1_000_000_000;
        let walked = walk(seed, Goal::Range { from, to }, CALM).unwrap();
        let lost = walked.lost.iter().any(|row| (Some(from)..Some(to)).contains(&row.start));
        assert!(!lost || walked.verdict.evidence < Evidence::Twice, "{seed} {walked:?}");
        partial += u64::from(!walked.lost.is_empty() && walked.verdict.evidence == Evidence::Chain);
    }
    assert!(partial > 3_000, "{partial}");
}

/// Walks until so many answers are in, changes the list, and walks again with what was read before.
fn continued(seed: u64, stop: u64, changes: usize) -> (Walked, u64) {
    let mut random = Random(seed);
    let len = 40 + random.below(160);
    let mut model = Model::plain(len);
    let width = [1, 2, 8][random.below(3)];
    let per_page = u32::try_from(8 + random.below(9)).unwrap();
    let mut read = Vec::new();
    let mut number = 0;
    let mut first = Plan::new(Goal::Full, settings(per_page, 1), false);
    let mut flying: Vec<crate::list::Request> = Vec::new();
    while number < stop {
        flying.extend(first.next(width - flying.len()));
        if flying.is_empty() {
            break;
        }
        let request = flying.remove(random.below(flying.len()));
        if random.once_in(4) {
            change(&mut model, &mut random, CALM);
        }
        number += 1;
        let outcome = model.answer(request);
        if let Outcome::Page { info, rows, unusable, .. } = &outcome {
            read.push((request.window, *info, rows.clone(), *unusable));
        }
        first.answer(crate::list::Answer { request, outcome }).unwrap();
    }
    for _ in 0..changes {
        change(&mut model, &mut random, CALM);
    }
    let mut plan = Plan::new(Goal::Full, settings(per_page, 1), false);
    for (window, info, rows, unusable) in &read {
        plan.recall(*window, *info, rows.clone(), *unusable);
    }
    let mut order = Random(seed ^ 0x4d);
    let serve = |_, request, model: &mut Model| {
        if random.once_in(4) {
            change(model, &mut random, CALM);
        }
        model.answer(request)
    };
    let mut walked =
        super::model::drive_on(plan, &mut model, width, |flying| order.below(flying), serve, read).unwrap();
    let requests = std::mem::take(&mut walked.requests);
    (walked, requests)
}

#[test]
fn a_walk_that_was_stopped_is_continued() {
    let (mut proven, mut saved) = (0, 0_i64);
    for seed in 0..10_000 {
        let stop = seed % 30;
        let (walked, requests) = continued(seed, stop, usize::try_from(seed % 7).unwrap());
        assert!(walked.lost.is_empty() || walked.verdict.evidence < Evidence::Twice, "{seed} {walked:?}");
        proven += u64::from(walked.verdict.evidence == Evidence::Chain);
        let (_, anew) = continued(seed, 0, usize::try_from(seed % 7).unwrap());
        saved += i64::try_from(anew).unwrap() - i64::try_from(requests).unwrap();
    }
    assert!(proven > 8_000, "{proven}");
    assert!(saved > 50_000, "{saved}");
}
