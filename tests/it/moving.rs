//! The list moves while it is read: nothing that was listed throughout is missing from a run that says so.

use std::collections::BTreeSet;

use rollbook::rows::tables::Table;
use rollbook::sim::{Account, Change, Options, Script, Shape};

use crate::bed::{Bed, Ran};

const SESSIONS: u64 = 20_000;

/// A generator of positions; the tests must give the same on every machine.
struct Positions(u64);

impl Positions {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % SESSIONS
    }
}

/// Which changes happen before every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moves {
    Insert,
    Delete,
    Both,
}

fn script(moves: Moves, seed: u64) -> Script {
    let mut positions = Positions(seed);
    // Deletions anywhere, and every other one near the head, where they pull up all that is still to be read.
    let deletion =
        |request: u64, position: u64| Change::delete(if request.is_multiple_of(2) { position % 50 } else { position });
    (1..2_000).fold(Script::new(), |script, request| {
        let delete = deletion(request, positions.next());
        script.before(
            request,
            match moves {
                Moves::Insert => vec![Change::InsertFresh(0)],
                Moves::Delete => vec![delete],
                Moves::Both => vec![Change::InsertFresh(0), delete],
            },
        )
    })
}

/// Exports an account that moves; returns whether the run was proven, after checking that nothing is missing then.
fn is_proven(moves: Moves, width: u32, seed: u64) -> bool {
    let account = Account::new(seed, SESSIONS, Shape::Plain);
    let bed = Bed::new(Options { script: script(moves, seed), ..Options::new(account) });
    let mut command = bed.export(&["--json"]);
    let ran = Ran::of(command.env("ROLLBOOK_API_CONCURRENCY", width.to_string()).output().unwrap());
    let listed: BTreeSet<String> = bed.server.with_list(|list| list.sessions().map(|session| session.id).collect());
    let persistent = account.sessions().map(|session| session.id).filter(|id| listed.contains(id));
    let exported: BTreeSet<String> = bed.rows(Table::Sessions).into_iter().map(|row| row[0].1.clone()).collect();
    let missing = persistent.filter(|id| !exported.contains(id)).count();
    let receipt = ran.receipt();
    assert!([0, 3].contains(&ran.code), "{moves:?} {width} {seed}: {receipt:#}");
    assert!(missing == 0 || ran.code == 3, "{moves:?} {width} {seed}: {missing} are missing: {receipt:#}");
    ran.code == 0
}

/// `ROLLBOOK_TEST_SEEDS` has more accounts walked through than one of each kind.
#[test]
fn a_change_with_every_request_costs_no_session() {
    let seeds = std::env::var("ROLLBOOK_TEST_SEEDS").map_or(1, |seeds| seeds.parse().unwrap());
    let (mut walks, mut proven) = (0, 0);
    for seed in 0..seeds {
        for moves in [Moves::Insert, Moves::Delete, Moves::Both] {
            for width in [1, 8, 32] {
                walks += 1;
                proven += u32::from(is_proven(moves, width, 100 * seed + u64::from(width)));
            }
        }
    }
    println!("{walks} walks, {proven} proven, no loss in any of them");
    assert!(proven * 9 >= walks * 8, "{proven} of {walks} were proven");
}
