//! Every placement of up to three changes between requests, in every order of arrival, for small lists.

use super::model::{Change, Model, drive, settings};
use crate::walk::{Evidence, Goal, Plan};

/// Every change that a list of this length knows.
fn changes(len: usize) -> Vec<Change> {
    let mut all = vec![Change::Insert];
    all.extend((1..=len).map(Change::BackDated));
    all.extend((0..len).map(Change::Delete));
    all
}

/// Walks once with these changes before these requests, the orders of arrival taken from the digits of `order`.
fn walk(starts: &[i64], per_page: u32, width: usize, order: usize, at: &[(u64, Change)]) -> (bool, Evidence) {
    let mut model = Model::new(starts.iter().copied());
    let mut order = order;
    let choose = |flying: usize| {
        let pick = order % flying;
        order /= flying;
        pick
    };
    let serve = |number, request, model: &mut Model| {
        at.iter().filter(|(when, _)| *when == number).for_each(|(_, change)| model.change(*change));
        model.answer(request)
    };
    let walked = drive(Plan::new(Goal::Full, settings(per_page, 1), false), &mut model, width, choose, serve).unwrap();
    (walked.lost.is_empty(), walked.verdict.evidence)
}

/// Walks every schedule of up to so many changes; returns how many were walked and how many were proven.
fn every(starts: &[i64], per_page: u32, width: usize, orders: usize, most: usize, until: u64) -> (u64, u64) {
    every_of(&changes(starts.len()), starts, per_page, width, orders, most, until)
}

#[allow(clippy::too_many_arguments)] // the bounds of one small model
fn every_of(
    all: &[Change],
    starts: &[i64],
    per_page: u32,
    width: usize,
    orders: usize,
    most: usize,
    until: u64,
) -> (u64, u64) {
    let mut walks = (0, 0);
    let mut schedules: Vec<Vec<(u64, Change)>> = vec![Vec::new()];
    for _ in 0..=most {
        for schedule in &schedules {
            for order in 0..orders {
                let (whole, evidence) = walk(starts, per_page, width, order, schedule);
                assert!(
                    whole || evidence == Evidence::None,
                    "{starts:?} {per_page} {width} {order} {schedule:?} {evidence:?}"
                );
                walks = (walks.0 + 1, walks.1 + u64::from(evidence == Evidence::Chain));
            }
        }
        schedules = schedules
            .iter()
            .flat_map(|schedule| {
                let from = schedule.last().map_or(2, |(when, _)| *when);
                (from..=until).flat_map(move |when| {
                    all.iter().map(move |change| [schedule.as_slice(), &[(when, *change)]].concat())
                })
            })
            .collect();
    }
    walks
}

#[test]
fn no_schedule_of_changes_loses_a_row_at_chain() {
    let distinct: Vec<i64> = (0..9).rev().map(|start| start * 1_000_000_000).collect();
    let tied: Vec<i64> = [4, 4, 3, 3, 2, 2, 1].map(|start| start * 1_000_000_000).into();
    // One after another: up to three changes; several in flight: up to two, in many orders of arrival.
    let (walks, proven) = every(&distinct, 4, 1, 1, 2, 9);
    assert!(proven * 2 > walks, "{proven} of {walks} proven");
    every(&distinct[..6], 4, 1, 1, 3, 7);
    every(&distinct[..5], 3, 1, 1, 3, 6);
    every(&tied, 4, 1, 1, 2, 8);
    every(&distinct, 4, 3, 24, 1, 8);
    every(&distinct, 4, 2, 16, 1, 9);
    every(&distinct, 4, 2, 4, 2, 6);
    every(&tied[..6], 4, 2, 8, 2, 5);
    // Three deletions reach across any joint of windows this small.
    let long: Vec<i64> = (0..13).rev().map(|start| start * 1_000_000_000).collect();
    let deletions: Vec<Change> = (0..6).map(Change::Delete).collect();
    every_of(&deletions, &long, 5, 1, 1, 3, 10);
    every_of(&deletions, &long, 5, 2, 4, 3, 6);
}
