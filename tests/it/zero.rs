//! Lists that count from 0, night after night, whose page 0 fails once, twice or always: exit code 0 is never given while a
//! session is missing.

use std::sync::Mutex;
use std::time::Duration;

use rollbook::sim::{Account, Answered, During, List, On, Options, Shape, Total};

use crate::quick::{Quick, listed, losses, scratch, sessions};

const DAY: Duration = Duration::from_hours(24);

fn answers() -> Vec<Answered> {
    let statuses = [400, 401, 403, 404, 410, 416, 422, 429, 500, 503];
    let others = [
        Answered::Empty,
        Answered::DataNull,
        Answered::NoData,
        Answered::EmptyObject,
        Answered::NoContent,
        Answered::Message,
        Answered::Redirect("/login"),
        Answered::Close,
        Answered::Stall(Duration::from_secs(45)),
    ];
    statuses.map(Answered::Status).into_iter().chain(others).collect()
}

/// A page 0 that fails so, from this night on until the last but one.
#[derive(Debug, Clone, Copy)]
struct Case {
    answered: Answered,
    during: During,
    from: usize,
    total: Total,
    sessions: u64,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for answered in answers() {
        for during in [During::First(1), During::First(2), During::Always] {
            for (from, total) in [(0, Total::Exact), (0, Total::Missing), (1, Total::Exact), (1, Total::Missing)] {
                // Without a total and from the first request on, nothing tells such a page 0 from one that never was.
                let is_hidden = during == During::Always && from == 0 && total == Total::Missing;
                // Of one page and of several, in turn.
                let sessions = if cases.len() % 4 == 3 { 9 } else { 45 };
                if !is_hidden {
                    cases.push(Case { answered, during, from, total, sessions });
                }
            }
        }
    }
    cases
}

/// What is wrong with the nights of a case: two in which page 0 may fail, and one in which it does not.
fn faults(case: &Case) -> Vec<String> {
    const NIGHTS: usize = 3;
    let folder = scratch();
    let dataset = folder.path().join("data");
    let mut quick = Quick::new();
    let mut list = List::from(Account::new(7, case.sessions, Shape::Varied));
    let settings = [("ROLLBOOK_API_PER_PAGE", "10".to_owned()), ("ROLLBOOK_WALK_LOOKBACK", "1h".to_owned())];
    let mut faults = Vec::new();
    for night in 0..NIGHTS {
        let options = Options { base: 0, total: case.total, ..Options::new(list.clone()) };
        let fails = night >= case.from && night + 1 < NIGHTS;
        let special = |options: Options| options.special(On::Page(0), case.during, case.answered);
        let server = quick.serve(if fails { special(options) } else { options });
        let before = listed(&server);
        let receipt = match quick.export(&server, &dataset, &settings) {
            Ok(ended) => ended.receipt,
            Err(why) => return vec![why],
        };
        let code = receipt.exit_code;
        if !matches!(code, 0 | 3 | 4 | 5 | 8) {
            faults.push(format!("night {night}: exit code {code}"));
        }
        if !fails && code != 0 {
            faults.push(format!("night {night}: exit code {code} of a sound server: {:?}", receipt.walk.reasons));
        }
        if code == 0 {
            let lacking = losses(&before, &listed(&server), &sessions(&dataset));
            faults.extend(lacking.into_iter().map(|what| format!("night {night}: {what}")));
        }
        quick.skip(DAY);
        list = server.with_list(|list| {
            list.churn(8);
            list.clone()
        });
    }
    faults
}

#[test]
fn a_page_0_that_fails_never_costs_a_session() {
    let cases = cases();
    let (next, found) = (Mutex::new(cases.iter()), Mutex::new(Vec::new()));
    let work = || {
        while let Some(case) = { next.lock().unwrap().next() } {
            let faults = faults(case);
            if !faults.is_empty() {
                found.lock().unwrap().push(format!("{case:?}: {faults:?}"));
            }
        }
    };
    std::thread::scope(|scope| {
        (0..2).for_each(|_| {
            scope.spawn(work);
        });
    });
    let found = found.into_inner().unwrap();
    assert!(found.is_empty(), "{} of {} cases:\n{}", found.len(), cases.len(), found.join("\n"));
}
