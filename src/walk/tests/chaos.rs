//! Everything at once: any goal, any server, any changes, walks that are stopped and go on. A row that had to be covered
//! and was listed throughout is missing only where the evidence is below `twice`.

use std::collections::BTreeSet;

use super::model::{Change, Model, Read, Walked, drive_on, settings};
use super::random::Random;
use crate::list::{Answer, Listed, Outcome, Request, Window};
use crate::walk::{Contract, Evidence, Goal, Plan, Settings};

const SECOND: i64 = 1_000_000;

/// What a seed stands for.
#[allow(clippy::struct_excessive_bools)] // each is a thing of its own
#[derive(Debug, Clone, Copy)]
struct World {
    goal: Goal,
    settings: Settings,
    width: usize,
    /// Once in so many requests the list changes.
    changes: usize,
    /// Rows of equal start change places with every request.
    shuffled: bool,
    /// Rows move to the head.
    touches: bool,
    /// Totals lie: 1 now and then, 2 always in one way.
    lies: usize,
    /// Which lie is told always.
    lie: usize,
    /// Some answers show an earlier list.
    stale: bool,
    /// Some answers are short, empty, of another page, or refused.
    odd: bool,
    /// Answers until the first run is stopped, and changes until the next one begins.
    stopped: Option<(u64, usize)>,
}

fn world(random: &mut Random, len: usize) -> World {
    let time = |random: &mut Random| i64::try_from(random.below(len + 10)).unwrap() * 20 * SECOND;
    let from = time(random);
    let goal = match random.below(4) {
        0 => Goal::Full,
        1 => Goal::Since { from },
        2 => Goal::Nightly { down_to: from },
        _ => Goal::Range { from, to: from + time(random) / 4 },
    };
    let touches = random.once_in(6);
    let least = if touches { 12 } else { 4 };
    let per_page = u32::try_from(least + random.below(9)).unwrap();
    let repairs = u32::try_from(2 + random.below(11)).unwrap();
    let overlap = u32::try_from(1 + random.below(3)).unwrap();
    World {
        goal,
        settings: Settings { repairs, ..settings(per_page, overlap) },
        width: [1, 2, 8][random.below(3)],
        changes: [3, 4, 5, 20, 1_000][random.below(5)],
        shuffled: random.once_in(3),
        touches,
        lies: [0, 0, 0, 1, 2][random.below(5)],
        lie: random.below(5),
        // A cache can hide every trace of a row that moved.
        stale: !touches && random.once_in(4),
        odd: random.once_in(4),
        stopped: random.once_in(3).then(|| (1 + random.below(30) as u64, random.below(12))),
    }
}

/// A list whose order differs from that of the starts by a few seconds, or wholly; rows without a start come last.
/// No page tells by itself that an order is none, if it has few rows: such a list is only walked through whole.
fn list(random: &mut Random, len: usize, goal: Goal) -> Vec<Listed> {
    let ties = 1 + random.below(4);
    let jitter = if random.once_in(4) { 50 } else { 1 };
    let undated = if random.once_in(5) { random.below(6) } else { 0 };
    let start = |at: usize, random: &mut Random| {
        let steps = (len - at) / ties * ties;
        i64::try_from(steps).unwrap() * 20 * SECOND + i64::try_from(random.below(jitter)).unwrap() * SECOND
    };
    let mut rows: Vec<_> = (0..len)
        .map(|at| Listed {
            id: at as u128 + 1,
            start: (at + undated < len).then(|| start(at, random)),
            ..Listed::default()
        })
        .collect();
    match random.below(12) {
        0 if undated == 0 => rows.reverse(),
        1 if goal == Goal::Full => (1..len).rev().for_each(|at| rows.swap(at, random.below(at + 1))),
        _ => {}
    }
    rows
}

fn server(random: &mut Random, rows: Vec<Listed>) -> Model {
    let mut model = Model::of(rows);
    model.zero_based = random.once_in(4);
    match random.below(8) {
        0 => model.cap = 5 + random.below(8) as u64,
        1 => model.one_size = Some(5 + random.below(20) as u64),
        _ => {}
    }
    model
}

fn change(model: &mut Model, random: &mut Random, world: &World) {
    // Deletions and insertions near the head move all that is still to be read.
    let places = if random.once_in(2) { 6 } else { model.rows.len() + 1 };
    let place = random.below(places);
    model.change(match random.below(if world.touches { 4 } else { 3 }) {
        0 => Change::Insert,
        1 => Change::BackDated(place),
        2 => Change::Delete(place),
        _ => Change::Touch(place),
    });
}

fn shuffle(model: &mut Model, random: &mut Random) {
    for place in 1..model.rows.len() {
        if model.rows[place - 1].start == model.rows[place].start && random.once_in(2) {
            model.rows.swap(place - 1, place);
        }
    }
}

/// The answers of one server, in whose list something may change before each.
struct Weather {
    random: Random,
    world: World,
    past: Vec<Model>,
    /// Windows that were answered oddly: what passes, passes.
    odd: BTreeSet<(u64, Window)>,
}

impl Weather {
    fn serve(&mut self, request: Request, model: &mut Model) -> Outcome {
        let Self { random, world, past, odd: seen } = self;
        while random.once_in(world.changes) {
            change(model, random, world);
        }
        if world.shuffled {
            shuffle(model, random);
        }
        past.push(model.clone());
        let shown = if world.stale && random.once_in(4) { random.below(past.len()) } else { past.len() - 1 };
        let mut outcome = past[shown].answer(request);
        if world.odd && random.once_in(12) && seen.insert((request.page, request.window)) {
            odd(&mut outcome, random, &past[shown], request);
        }
        if let Outcome::Page { info, .. } = &mut outcome {
            let (lie, tell) = if world.lies == 2 { (world.lie, true) } else { (random.below(5), random.once_in(4)) };
            if world.lies > 0 && tell {
                info.total = [None, Some(0), Some(9), info.total.map(|total| total + 1), Some(9_999)][lie];
                info.last_page = None;
            }
        }
        outcome
    }
}

fn odd(outcome: &mut Outcome, random: &mut Random, model: &Model, request: Request) {
    match (random.below(4), &mut *outcome) {
        (0, Outcome::Page { rows, .. }) => rows.clear(),
        (1, Outcome::Page { rows, .. }) => rows.truncate(random.below(rows.len() + 1)),
        (2, _) if request.page > 1 => *outcome = Outcome::Nothing { status: 404 },
        _ => {
            let page = 1 + random.below(6) as u64;
            *outcome = model.answer(Request { page, ..request });
        }
    }
}

/// Lets a run be stopped after so many answers; returns what it has read.
fn stopped(weather: &mut Weather, model: &mut Model, (answers, changes): (u64, usize)) -> Result<Read, Contract> {
    let mut plan = Plan::new(weather.world.goal, weather.world.settings, false);
    let (mut flying, mut read) = (Vec::new(), Vec::new());
    for _ in 0..answers {
        flying.extend(plan.next(weather.world.width - flying.len()));
        if flying.is_empty() {
            break;
        }
        let request: Request = flying.remove(weather.random.below(flying.len()));
        let outcome = weather.serve(request, model);
        if let Outcome::Page { info, rows, unusable, .. } = &outcome {
            read.push((request.window, *info, rows.clone(), *unusable));
        }
        plan.answer(Answer { request, outcome })?;
        if plan.question().is_some() {
            plan.known(true);
        }
    }
    (0..changes).for_each(|_| change(model, &mut weather.random, &weather.world));
    Ok(read)
}

/// Lets others read so many parts of the list, each at its own pace, after some changes; returns what they have read, in the order
/// in which it came.
fn parted(weather: &mut Weather, model: &mut Model, parts: u64) -> Result<Read, Contract> {
    let settings = weather.world.settings;
    let mut plan = Plan::new(Goal::Survey, settings, false);
    while let Some(request) = plan.next(1).pop() {
        let outcome = weather.serve(request, model);
        plan.answer(Answer { request, outcome })?;
    }
    let survey = plan.survey();
    let floor = if let Goal::Since { from } = weather.world.goal { Some(from) } else { None };
    let parts = survey.parts(parts, settings.overlap).into_iter();
    let mut tasks: Vec<_> =
        parts.map(|(from, to)| (Plan::stretch(survey, settings, from, to, floor), Vec::new())).collect();
    let mut read = Vec::new();
    while !tasks.is_empty() {
        let at = weather.random.below(tasks.len());
        let (plan, flying) = &mut tasks[at];
        flying.extend(plan.next(weather.world.width - flying.len()));
        if flying.is_empty() {
            tasks.remove(at);
            continue;
        }
        let request: Request = flying.remove(weather.random.below(flying.len()));
        let outcome = weather.serve(request, model);
        if let Outcome::Page { info, rows, unusable, .. } = &outcome {
            read.push((request.window, *info, rows.clone(), *unusable));
        }
        if plan.answer(Answer { request, outcome }).is_err() {
            // What such a task has left is used as far as it goes.
            tasks.remove(at);
        }
    }
    Ok(read)
}

fn walk(seed: u64, parts: Option<u64>) -> (World, Result<Walked, Contract>) {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5eed);
    let len = random.below(110);
    let world = world(&mut random, len);
    let mut world = world;
    let rows = list(&mut random, len, world.goal);
    // Where another order is proven by the total alone, ties that change places can make up for a row.
    world.shuffled &= rows.is_sorted_by(|a, b| a.start.map(|start| start + 60 * SECOND) >= b.start);
    let mut model = server(&mut random, rows);
    if world.touches {
        // Pages of few rows may look the same by chance after all their rows have moved.
        (model.cap, model.one_size) = (u64::MAX, None);
    }
    let mut weather = Weather { random, world, past: Vec::new(), odd: BTreeSet::new() };
    let read = match (parts, world.stopped) {
        (Some(parts), _) => match parted(&mut weather, &mut model, parts) {
            Ok(read) => read,
            Err(broken) => return (world, Err(broken)),
        },
        (None, Some(stop)) => match stopped(&mut weather, &mut model, stop) {
            Ok(read) => read,
            Err(broken) => return (world, Err(broken)),
        },
        (None, None) => Vec::new(),
    };
    let mut plan = Plan::new(world.goal, world.settings, false);
    for (window, info, rows, unusable) in &read {
        plan.recall(*window, *info, rows.clone(), *unusable);
    }
    let mut order = Random(seed ^ 0x4d);
    let serve = |_, request, model: &mut Model| weather.serve(request, model);
    let walked = drive_on(plan, &mut model, world.width, |flying| order.below(flying), serve, read);
    (world, walked)
}

/// Whether a row belongs to a goal.
fn belongs(row: &Listed, goal: Goal) -> bool {
    match goal {
        Goal::Full | Goal::Survey | Goal::Stretch { .. } => true,
        Goal::Since { from } | Goal::Nightly { down_to: from } => row.start >= Some(from),
        Goal::Range { from, to } => row.start >= Some(from) && row.start < Some(to),
    }
}

/// A number from the environment.
#[allow(clippy::disallowed_methods)] // how much is tested is no matter of the code that is tested
pub fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |number| number.parse().unwrap())
}

/// How many worlds of each goal were proven, and in how many the walk said that it proves nothing.
#[derive(Debug, Default)]
struct Tally {
    proven: [u64; 4],
    told: u64,
    refused: u64,
}

/// Walks through worlds by their seeds; none may lose a row that is proven to be there. `parts`: of which seeds others have read the
/// list in how many parts before.
fn walk_all(seeds: std::ops::Range<u64>, parts: impl Fn(u64) -> Option<u64>) -> Tally {
    let (mut tally, mut lost) = (Tally::default(), Vec::new());
    for seed in seeds {
        let (world, walked) = walk(seed, parts(seed));
        let Ok(walked) = walked else {
            tally.refused += 1;
            continue;
        };
        let is_proven = walked.verdict.evidence >= Evidence::Twice;
        if is_proven && walked.lost.iter().any(|row| belongs(row, world.goal)) {
            lost.push(seed);
        }
        let goal = match world.goal {
            Goal::Full | Goal::Survey | Goal::Stretch { .. } => 0,
            Goal::Since { .. } => 1,
            Goal::Nightly { .. } => 2,
            Goal::Range { .. } => 3,
        };
        tally.proven[goal] += u64::from(is_proven);
        tally.told += u64::from(!is_proven);
    }
    let first = lost.first().map(|seed| walk(*seed, parts(*seed)));
    assert!(lost.is_empty(), "{} worlds: {:?}: {first:?}", lost.len(), &lost[..lost.len().min(20)]);
    tally
}

/// `ROLLBOOK_TEST_SEEDS` has so many thousand worlds walked through, `ROLLBOOK_TEST_FIRST` from this seed on.
fn seeds(otherwise: u64) -> std::ops::Range<u64> {
    let (thousands, begin) = (number("ROLLBOOK_TEST_SEEDS", otherwise), number("ROLLBOOK_TEST_FIRST", 0));
    begin..begin + thousands * 1000
}

#[test]
fn no_world_costs_a_row_that_is_proven_to_be_there() {
    let seeds = seeds(40);
    let tally = walk_all(seeds.clone(), |_| None);
    println!("worlds {seeds:?}: {tally:?}");
    let least = (seeds.end - seeds.start) * 6 / 100;
    assert!(tally.proven.iter().all(|proven| *proven > least), "{tally:?}");
}

#[test]
fn a_list_that_others_have_read_in_parts_costs_no_row_that_is_proven_to_be_there() {
    let seeds = seeds(40);
    let tally = walk_all(seeds.clone(), |seed| Some(1 + seed % 8));
    println!("worlds {seeds:?} in parts: {tally:?}");
    let least = (seeds.end - seeds.start) * 6 / 100;
    assert!(tally.proven.iter().all(|proven| *proven > least), "{tally:?}");
}
