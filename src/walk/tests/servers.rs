//! Servers drawn from everything that is left open: what page 0 is, what lies behind the end, which sizes and positions are
//! refused and how, what totals and numbers say, by what the list is sorted, and whether it moves meanwhile.
//!
//! Every walk ends. None that is proven lacks a session that was listed throughout. Of the servers whose list is still,
//! nearly all are proven. Left out, since no walk can tell: a total that is wrong and consistent in itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::random::Random;
use crate::list::{Answer, Asking, Listed, Outcome, PageInfo, Request, Silence};
use crate::walk::{Contract, Evidence, Goal, Plan, Settings, Tally, Verdict, can_overlap};

const SECOND: i64 = 1_000_000;
/// The time of the first request.
const NOW: i64 = 1_000_000 * SECOND;
/// Requests that a walk of so short a list can never need.
const TOO_MANY: usize = 4_000;

/// What a request is answered with that no page is meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Special {
    /// A page of the documented shape without rows.
    Empty,
    Status(u16),
    Silent(Silence),
    /// The last page, by the number that was asked for or by its own.
    Last,
    /// The first page again, whatever was asked for.
    First,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Zero {
    AsFirst,
    /// As often as this, then as first.
    For(u64, Special),
    Always(Special),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sizes {
    All,
    Cap(u64),
    One(u64),
    RefusedAbove(u64),
    /// Only sizes that are multiples of this; others are refused.
    Multiples(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Total {
    Exact,
    Missing,
    Zero,
    Negative,
    Absurd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Start,
    End { running_first: bool },
    Made,
    Id,
    Nothing,
}

#[derive(Debug, Clone, Copy)]
#[allow(clippy::struct_excessive_bools)] // each is a thing of its own
struct World {
    from_zero: bool,
    zero: Zero,
    behind: Special,
    sizes: Sizes,
    refusal: Special,
    /// No position behind this one is given.
    window: Option<u64>,
    total: Total,
    has_last_page: bool,
    echo: usize,
    by: By,
    descending: bool,
    /// Once in so many requests the list changes.
    changes: Option<usize>,
    /// Requests that fail for good.
    outage: Option<(u64, u64)>,
    has_date: bool,
    per_page: u32,
    width: usize,
    goal: Goal,
}

fn special(random: &mut Random) -> Special {
    match random.below(15) {
        0..=2 => Special::Empty,
        3 => Special::Status(400),
        4 => Special::Status(404),
        5 => Special::Status([410, 416, 422][random.below(3)]),
        6 | 7 => Special::Silent(Silence::Status(500)),
        8 => Special::Silent(Silence::Status([302, 401, 429, 503][random.below(4)])),
        9 => Special::Silent(Silence::Bare),
        10 => Special::Silent(Silence::Shape),
        11 => Special::Silent(Silence::Late),
        12 => Special::First,
        _ => Special::Last,
    }
}

fn refusal(random: &mut Random) -> Special {
    [Special::Status(400), Special::Status(422), Special::Silent(Silence::Status(500))][random.below(3)]
}

fn world(random: &mut Random) -> World {
    let from_zero = random.once_in(4);
    let zero = match random.below(8) {
        0..=2 => Zero::AsFirst,
        3 => Zero::For(1 + random.below(3) as u64, special(random)),
        _ => Zero::Always(special(random)),
    };
    let per_page = u32::try_from(12 + random.below(20)).unwrap();
    let size = u64::from(per_page);
    World {
        from_zero,
        zero,
        behind: special(random),
        sizes: match random.below(10) {
            0 => Sizes::Cap(6 + random.below(per_page as usize) as u64),
            1 => Sizes::One(5 + random.below(20) as u64),
            2 => Sizes::RefusedAbove(10 + random.below(8) as u64),
            3 => Sizes::Multiples([2, 5, 10][random.below(3)]),
            _ => Sizes::All,
        },
        refusal: refusal(random),
        window: random.once_in(12).then(|| size * (2 + random.below(6) as u64)),
        total: [
            Total::Exact,
            Total::Exact,
            Total::Exact,
            Total::Missing,
            Total::Missing,
            Total::Zero,
            Total::Negative,
            Total::Absurd,
        ][random.below(8)],
        has_last_page: random.once_in(2),
        echo: random.below(4),
        by: match random.below(10) {
            0 => By::Nothing,
            1 | 2 => By::End { running_first: random.once_in(2) },
            3 => By::Made,
            4 => By::Id,
            _ => By::Start,
        },
        descending: !random.once_in(3),
        changes: (!random.once_in(3)).then(|| [2, 4, 8, 30][random.below(4)]),
        outage: random.once_in(10).then(|| (random.below(40) as u64, 1 + random.below(6) as u64)),
        has_date: !random.once_in(8),
        per_page,
        width: [1, 2, 8][random.below(3)],
        goal: Goal::Full,
    }
}

/// A server, and the sessions that it has.
struct Server {
    world: World,
    random: Random,
    rows: Vec<Listed>,
    /// Those that were listed from the first request on.
    throughout: BTreeSet<u128>,
    fresh: u128,
    now: i64,
    requests: u64,
    zeroes: u64,
    /// Page 0 was what it should be, once at least.
    has_zero: bool,
    has_changed: bool,
}

impl Server {
    fn new(world: World, mut random: Random) -> Self {
        let len = if random.once_in(12) { random.below(3) } else { random.below(130) };
        let mut server = Self {
            world,
            random: Random(random.0 ^ 0xabc),
            rows: Vec::new(),
            throughout: BTreeSet::new(),
            fresh: 0,
            now: NOW,
            requests: 0,
            zeroes: 0,
            has_zero: false,
            has_changed: false,
        };
        let ties = 1 + random.below(3);
        for at in 0..len {
            let start = NOW - i64::try_from(1 + at / ties * ties).unwrap() * 300 * SECOND;
            let is_running = random.once_in(15);
            let length = i64::try_from(60 + random.below(9_000)).unwrap() * SECOND;
            server.add(
                start,
                (!is_running).then(|| (start + length).min(NOW - i64::try_from(100 + at).unwrap() * SECOND)),
            );
        }
        server.throughout = server.rows.iter().map(|row| row.id).collect();
        server
    }

    fn add(&mut self, start: i64, end: Option<i64>) {
        self.fresh += 1;
        let made = u128::try_from(start / SECOND).unwrap() + self.random.below(40_000) as u128;
        // Ids that rise with the order in which sessions are made known, or with their time.
        let rank = match self.world.by {
            By::Id => self.fresh << 3 | self.random.below(4) as u128,
            _ => made << 64 | self.fresh,
        };
        let row = Listed { id: self.fresh, start: Some(start), end, rank };
        self.rows.push(row);
        self.sort();
    }

    fn sort(&mut self) {
        let World { by, descending, .. } = self.world;
        let key = |row: &Listed| match by {
            By::Start => row.start.map(i128::from),
            By::End { running_first } => {
                let beyond = if running_first == descending { i128::MAX } else { i128::MIN };
                Some(row.end.map_or(beyond, i128::from))
            }
            By::Made => row.made().map(i128::from),
            By::Id => Some(row.rank.cast_signed()),
            By::Nothing => Some(i128::try_from(row.id * 7919 % 131).unwrap()),
        };
        // Equal keys in the order of ids: they keep their places.
        self.rows.sort_by_key(|row| (key(row), row.id));
        if descending {
            self.rows.reverse();
        }
    }

    fn change(&mut self) {
        self.has_changed = true;
        self.now += SECOND;
        match self.random.below(4) {
            0 => self.add(self.now, None),
            1 if !self.rows.is_empty() => {
                let gone = self.rows.remove(self.random.below(self.rows.len()));
                self.throughout.remove(&gone.id);
            }
            2 => {
                let running: Vec<_> = (0..self.rows.len()).filter(|at| self.rows[*at].end.is_none()).collect();
                if let Some(at) = running.get(self.random.below(running.len())) {
                    self.rows[*at].end = Some(self.now);
                    self.sort();
                }
            }
            // Listed late.
            _ => self.add(self.now - 40_000 * SECOND, Some(self.now - 30_000 * SECOND)),
        }
    }

    fn serve(&mut self, request: Request) -> Outcome {
        self.requests += 1;
        self.now += SECOND / 4;
        if let Some(often) = self.world.changes {
            while self.random.once_in(often) {
                self.change();
            }
        }
        if request.asking == Asking::WrongToken {
            return Outcome::Denied;
        }
        if let Some((from, length)) = self.world.outage
            && (from..from + length).contains(&self.requests)
        {
            return Outcome::Silent(Silence::Status(503));
        }
        let asked = u64::from(request.window.size);
        let size = match self.world.sizes {
            _ if request.own_size => 10,
            Sizes::RefusedAbove(most) if asked > most => return self.special(self.world.refusal, request, asked),
            Sizes::Multiples(of) if asked % of != 0 => return self.special(self.world.refusal, request, asked),
            Sizes::All | Sizes::RefusedAbove(_) | Sizes::Multiples(_) => asked,
            Sizes::Cap(cap) => asked.min(cap),
            Sizes::One(size) => size,
        };
        if request.page == 0 {
            self.zeroes += 1;
            let answered = match self.world.zero {
                Zero::AsFirst => None,
                Zero::For(times, special) => (self.zeroes <= times).then_some(special),
                // A list from 0 has a page 0.
                Zero::Always(special) => (!self.world.from_zero).then_some(special),
            };
            if let Some(special) = answered {
                return self.special(special, request, size);
            }
            self.has_zero = true;
        }
        let base = u64::from(!self.world.from_zero);
        let offset = request.page.max(base).saturating_sub(base) * size;
        let len = self.rows.len() as u64;
        if offset >= len && offset > 0 {
            return self.special(self.world.behind, request, size);
        }
        if self.world.window.is_some_and(|window| offset + size > window) {
            return self.special(self.world.refusal, request, size);
        }
        self.page(request.page.max(base), offset, size, request.page)
    }

    fn special(&self, special: Special, request: Request, size: u64) -> Outcome {
        let base = u64::from(!self.world.from_zero);
        let len = self.rows.len() as u64;
        match special {
            Special::Empty => self.page(request.page, len.max(1 << 40), size, request.page),
            Special::Status(status) => Outcome::Nothing { status },
            Special::Silent(silence) => Outcome::Silent(silence),
            Special::Last => {
                let last = len.div_ceil(size).max(1) - 1;
                self.page(last + base, last * size, size, request.page)
            }
            Special::First => self.page(base, 0, size, request.page),
        }
    }

    fn page(&self, number: u64, offset: u64, size: u64, asked: u64) -> Outcome {
        let len = self.rows.len() as u64;
        let place = |at: u64| usize::try_from(at.min(len)).unwrap();
        let rows = self.rows[place(offset)..place(offset + size)].to_vec();
        let of = |page: u64| i64::try_from(page).unwrap();
        let has_last = self.world.has_last_page && self.world.total == Total::Exact;
        let info = PageInfo {
            current_page: [Some(of(number)), Some(of(asked)), None, Some(1)][self.world.echo],
            per_page: (self.world.echo != 2).then(|| of(size)),
            last_page: has_last.then(|| of(len.div_ceil(size).max(1))),
            total: match self.world.total {
                Total::Exact => Some(of(len)),
                Total::Missing => None,
                Total::Zero => Some(0),
                Total::Negative => Some(-1),
                Total::Absurd => Some(i64::MAX),
            },
        };
        let at = self.world.has_date.then_some(self.now / SECOND * SECOND);
        Outcome::Page { info, rows, unusable: 0, at }
    }
}

/// What a walk came to, and the list as it was then.
#[derive(Debug)]
struct Ended {
    verdict: Result<Verdict, Contract>,
    lost: Vec<u128>,
    is_still: bool,
    /// Sessions in the list when the walk was over.
    len: usize,
}

fn walk(seed: u64) -> (World, Ended) {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5e7);
    let world = world(&mut random);
    let mut order = Random(seed ^ 0x77);
    let mut server = Server::new(world, random);
    let settings = Settings { per_page: world.per_page, pause: Duration::ZERO, ..Settings::default() };
    let mut plan = Plan::new(world.goal, settings, false);
    let (mut flying, mut pages): (Vec<Request>, Vec<Vec<Listed>>) = (Vec::new(), Vec::new());
    let mut requests = 0;
    let broken = loop {
        flying.extend(plan.next(world.width - flying.len()));
        if flying.is_empty() {
            break None;
        }
        requests += 1;
        assert!(requests < TOO_MANY, "{seed}: the walk does not end: {world:?} {plan:?}");
        let request = flying.remove(order.below(flying.len()));
        let outcome = server.serve(request);
        if let Outcome::Page { rows, .. } = &outcome {
            pages.push(rows.clone());
        }
        if let Err(broken) = plan.answer(Answer { request, outcome }) {
            break Some(broken);
        }
    };
    let shown: BTreeSet<_> = pages.iter().flatten().map(|row| row.id).collect();
    // A list from 0 without a total, whose page 0 fails as long as it is asked for.
    let is_untold = world.total != Total::Exact || pages.iter().all(Vec::is_empty);
    let is_hidden = world.from_zero && is_untold && !server.has_zero;
    let lost = server.throughout.iter().filter(|id| !is_hidden && !shown.contains(id)).copied().collect();
    let verdict = if let Some(broken) = broken {
        Err(broken)
    } else {
        let since = usize::try_from(plan.since()).unwrap();
        let starts: BTreeSet<_> = pages[since..].iter().flatten().map(|row| (row.id, row.start)).collect();
        let distinct: BTreeSet<_> = starts.iter().map(|row| row.0).collect();
        let moved = (starts.len() - distinct.len()) as u64;
        Ok(plan.finish(Tally { distinct: distinct.len() as u64, moved }))
    };
    (world, Ended { verdict, lost, is_still: !server.has_changed, len: server.rows.len() })
}

/// Whether the design asks for less than a proof.
fn is_hard(world: &World, len: usize) -> bool {
    let is_untold = world.total != Total::Exact;
    // An empty list from 0 whose page 1 fails.
    let is_lost = world.from_zero && !matches!(world.behind, Special::Empty);
    is_lost && len == 0
        || world.window.is_some()
        || world.outage.is_some()
        || is_untold && matches!(world.sizes, Sizes::One(_) | Sizes::Multiples(_) | Sizes::RefusedAbove(_))
        || is_untold && world.by == By::Nothing
        || is_untold && matches!(world.sizes, Sizes::Cap(cap) if !can_overlap(130, 2, u32::try_from(cap).unwrap()))
}

/// `ROLLBOOK_TEST_SEEDS` has so many thousand servers read, `ROLLBOOK_TEST_FIRST` from this seed on.
#[test]
fn no_server_costs_a_session_that_is_proven_to_be_there() {
    let thousands = super::chaos::number("ROLLBOOK_TEST_SEEDS", 20);
    let begin = super::chaos::number("ROLLBOOK_TEST_FIRST", 0);
    let (mut lost, mut still, mut proven, mut moving) = (Vec::new(), 0_u64, 0_u64, [0_u64; 3]);
    let mut missed: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for seed in begin..begin + thousands * 1000 {
        let (world, ended) = walk(seed);
        let is_proven = ended.verdict.as_ref().is_ok_and(|verdict| verdict.evidence >= Evidence::Twice);
        if is_proven && !ended.lost.is_empty() {
            lost.push(seed);
        }
        if ended.is_still && !is_hard(&world, ended.len) {
            still += 1;
            proven += u64::from(is_proven);
            if !is_proven {
                let why = match &ended.verdict {
                    Ok(verdict) => verdict.reasons.join("; "),
                    Err(broken) => format!("{broken:?}"),
                };
                let why: String = why.chars().filter(|c| !c.is_ascii_digit()).collect();
                missed.entry(why).or_default().push(seed);
            }
        } else if !ended.is_still {
            moving[usize::from(is_proven)] += 1;
            moving[2] += u64::from(ended.verdict.is_err());
        }
    }
    for (why, seeds) in &missed {
        println!("{:5} {why}: {:?}", seeds.len(), &seeds[..seeds.len().min(6)]);
    }
    println!(
        "still: {proven} of {still} proven; moving: {} proven, {} not, {} failed",
        moving[1], moving[0], moving[2]
    );
    let first = lost.first().map(|seed| walk(*seed));
    assert!(lost.is_empty(), "{} lost something: {:?}: {first:?}", lost.len(), &lost[..lost.len().min(20)]);
    assert!(proven * 100 >= still * 95, "{proven} of {still}");
    assert!(moving[1] > moving[0], "{moving:?}");
}
