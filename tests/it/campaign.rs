//! A campaign of random servers: no run without an end, no panic, no session lost at exit code 0, and nearly all servers
//! that stand still are proven.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rollbook::sim::Options;

use crate::bed::number;
use crate::quick::{Quick, listed, losses, scratch, sessions};
use crate::world::{World, world};

const DAY: Duration = Duration::from_hours(24);
/// Worlds unless another number is asked for, and how long they may take.
const WORLDS: u64 = 150;
const BUDGET: Duration = Duration::from_secs(15);

/// How the runs of a world ended, and what was wrong with them.
#[derive(Debug, Default)]
struct Outcome {
    codes: Vec<u8>,
    /// Evidence and reasons, or the error, of each.
    notes: Vec<String>,
    faults: Vec<String>,
    requests: u64,
}

fn run(seed: u64) -> (World, Outcome) {
    let world = world(seed);
    let folder = scratch();
    let dataset = folder.path().join("data");
    let mut quick = Quick::new();
    let mut server = quick.serve(world.options.clone());
    let mut outcome = Outcome::default();
    for night in 0..=world.nights.len() {
        if night > 0 {
            quick.skip(DAY);
            let list = server.with_list(|list| {
                list.churn(world.nights[night - 1]);
                list.clone()
            });
            if world.is_restarted {
                server = quick.serve(Options { list, ..world.options.clone() });
            }
        }
        let before = listed(&server);
        let asked = server.count();
        let ended = match quick.export(&server, &dataset, &world.settings) {
            Ok(ended) => ended,
            Err(why) => {
                outcome.faults.push(format!("night {night}: {why}"));
                break;
            }
        };
        outcome.requests += server.count() - asked;
        let code = ended.receipt.exit_code;
        outcome.codes.push(code);
        let walk = &ended.receipt.walk;
        outcome.notes.push(format!("{} {:?} {:?} {}", code, walk.evidence, walk.reasons, ended.error));
        if code == 1 {
            outcome.faults.push(format!("night {night}: {}", ended.error));
        }
        if code == 0 {
            let lost = losses(&before, &listed(&server), &sessions(&dataset));
            outcome.faults.extend(lost.into_iter().map(|what| format!("night {night}: {what}")));
        }
    }
    (world, outcome)
}

#[derive(Default)]
struct Tally {
    worlds: u64,
    /// Codes of first nights by axis and value, of servers that stand still.
    table: BTreeMap<(String, String), BTreeMap<u8, u64>>,
    /// The same by the reason why they stand apart.
    apart: BTreeMap<&'static str, BTreeMap<u8, u64>>,
    moving: BTreeMap<u8, u64>,
    still: BTreeMap<u8, u64>,
    faults: Vec<(u64, Vec<String>)>,
    unproven: Vec<(u64, String)>,
}

impl Tally {
    fn add(&mut self, seed: u64, world: &World, outcome: Outcome) {
        self.worlds += 1;
        if !outcome.faults.is_empty() {
            self.faults.push((seed, outcome.faults));
        }
        for (code, note) in outcome.codes.iter().zip(&outcome.notes) {
            let codes = match world.apart {
                Some(why) => self.apart.entry(why).or_default(),
                None if !world.is_still => &mut self.moving,
                None => &mut self.still,
            };
            *codes.entry(*code).or_default() += 1;
            if world.apart.is_none() && world.is_still {
                if *code != 0 {
                    self.unproven.push((seed, note.clone()));
                }
                for (axis, value) in &world.tags {
                    *self.table.entry(((*axis).to_owned(), value.clone())).or_default().entry(*code).or_default() += 1;
                }
            }
        }
    }

    fn share(&self) -> (u64, u64) {
        (self.still.get(&0).copied().unwrap_or(0), self.still.values().sum())
    }

    #[allow(clippy::print_stdout)] // for who has many worlds run
    fn print(&self) {
        let codes = |codes: &BTreeMap<u8, u64>| {
            codes.iter().map(|(code, times)| format!("{code}: {times}")).collect::<Vec<_>>().join(", ")
        };
        println!("{} worlds; still {}; moving {}", self.worlds, codes(&self.still), codes(&self.moving));
        for (why, ended) in &self.apart {
            println!("apart, {why}: {}", codes(ended));
        }
        for ((axis, value), ended) in &self.table {
            println!("{axis:20} {value:40} {}", codes(ended));
        }
        for (seed, note) in self.unproven.iter().take(60) {
            println!("unproven {seed}: {note}");
        }
        for (seed, faults) in &self.faults {
            println!("FAULT {seed}: {faults:?}");
        }
    }
}

/// `ROLLBOOK_TEST_SEEDS` has so many thousand worlds run, `ROLLBOOK_TEST_FIRST` from this seed on: with that alone, just the
/// one world.
#[test]
fn random_servers_end_lose_nothing_and_are_proven() {
    let (first, thousands) = (number("ROLLBOOK_TEST_FIRST"), number("ROLLBOOK_TEST_SEEDS"));
    let from = first.unwrap_or(0);
    let worlds = thousands.map_or(if first.is_some() { 1 } else { WORLDS }, |thousands| thousands * 1000);
    let (next, tally) = (AtomicU64::new(from), Mutex::new(Tally::default()));
    let began = Instant::now();
    let is_bounded = thousands.is_none();
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= from + worlds || is_bounded && began.elapsed() > BUDGET {
                return;
            }
            let ran = catch_unwind(AssertUnwindSafe(|| run(seed)));
            let mut tally = tally.lock().unwrap();
            match ran {
                Ok((world, outcome)) => {
                    if worlds == 1 {
                        println!("{:#?}\n{:?}\n{outcome:#?}", world.tags, world.options.specials);
                    }
                    tally.add(seed, &world, outcome);
                }
                Err(_) => tally.faults.push((seed, vec!["panicked".to_owned()])),
            }
        }
    };
    std::thread::scope(|scope| {
        (0..2).for_each(|_| {
            scope.spawn(work);
        });
    });
    let tally = tally.into_inner().unwrap();
    tally.print();
    println!("{:?} a world", began.elapsed() / u32::try_from(tally.worlds.max(1)).unwrap());
    let faulty: BTreeSet<u64> = tally.faults.iter().map(|(seed, _)| *seed).collect();
    assert!(faulty.is_empty(), "worlds with faults, each to be run again by ROLLBOOK_TEST_FIRST: {faulty:?}");
    let (proven, all) = tally.share();
    // A few worlds more or less fit into the time of a small campaign, so that its share is a rough one.
    let least = if worlds < 1000 { 70 } else { 95 };
    assert!(worlds == 1 || proven * 100 >= all * least, "only {proven} of {all} runs over still servers are proven");
}
