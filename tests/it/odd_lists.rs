//! Lists and answers of every odd kind: each with its exit code, its evidence and all of its sessions.

use rollbook::rows::tables::Table;
use rollbook::sim::{
    Account, Answer, Answered, Change, Field, List, Number, Options, Order, Script, Shape, Spacing, Total,
};

use crate::bed::Bed;

const SESSIONS: u64 = 950;
/// The first page's number, and what page 0 is where that is 1.
const BASES: [(u64, Answered); 3] =
    [(1, Answered::First(Number::Own)), (1, Answered::Status(400)), (0, Answered::Usual)];

fn account() -> Account {
    Account::new(31, SESSIONS, Shape::Plain)
}

fn plain() -> Options {
    Options::new(account())
}

fn scripted(script: Script) -> Options {
    Options { script, ..plain() }
}

fn every(answer: Answer) -> Options {
    scripted(Script::new().answer_every(1, 1, answer))
}

/// Exports and expects an exit code and evidence; nothing may be missing where it ends with 0.
fn expect(what: &str, options: Options, code: i32, evidence: &str) {
    let bed = Bed::new(options);
    let ran = bed.run(&["--json"]);
    let receipt = ran.receipt();
    assert_eq!((ran.code, &receipt["walk"]["evidence"]), (code, &evidence.into()), "{what}: {receipt:#}");
    if code == 0 {
        assert!(bed.rows(Table::Sessions).len() as u64 >= SESSIONS, "{what}");
    } else {
        assert!(!receipt["walk"]["reasons"].as_array().unwrap().is_empty(), "{what}: {receipt:#}");
    }
}

#[test]
fn pages_that_are_wrong_for_a_moment() {
    for request in 1..14 {
        for answer in [Answer::Empty, Answer::Short(7), Answer::OtherPage(1), Answer::OtherPage(3), Answer::Cap(20)] {
            let what = format!("{answer:?} at {request}");
            let script = Script::new().answer(request, answer);
            let bed = Bed::new(scripted(script));
            let ran = bed.run(&["--json"]);
            assert!(ran.code == 0 || ran.code == 3, "{what}: {ran:?}");
            let rows = bed.rows(Table::Sessions).len() as u64;
            assert!(ran.code == 3 || rows == SESSIONS, "{what}: {rows}");
            // The first two requests tell how the server counts and cuts its pages.
            assert!(request <= 2 || ran.code == 0, "{what}: {ran:?}");
        }
    }
}

#[test]
fn pages_that_stay_wrong() {
    expect("short pages", every(Answer::Short(1)), 3, "none");
    expect("empty pages", every(Answer::Empty), 3, "none");
    expect("rows that change places", every(Answer::Swap(98, 99)), 3, "none");
}

#[test]
fn what_the_server_says_of_the_list() {
    for total in [Total::Missing, Total::Zero, Total::Negative, Total::Absurd, Total::Text] {
        expect(&format!("{total:?}"), Options { total, ..plain() }, 0, "chain");
    }
    expect("more than there are", Options { total: Total::Off(500), ..plain() }, 3, "none");
    for last_page in [Some("1"), Some("99999"), None] {
        let answer = Answer::Info(Field::LastPage, last_page.map(str::to_owned));
        expect(&format!("last page {last_page:?}"), every(answer), 0, "chain");
    }
}

#[test]
fn page_sizes_bases_and_ends() {
    for cap in [10, 20, 50, 99] {
        expect(&format!("cap {cap}"), Options { page_cap: Some(cap), ..plain() }, 0, "chain");
    }
    for size in [20, 100, 300] {
        let bed = Options { one_page_size: Some(size), ..plain() };
        expect(&format!("one size {size}"), bed, 0, "twice");
    }
    for (base, page_zero) in BASES {
        expect(&format!("{base} {page_zero:?}"), Options { base, page_zero, ..plain() }, 0, "chain");
    }
    for past_end in [Answered::Empty, Answered::Last(Number::Own), Answered::Status(404), Answered::Status(400)] {
        expect(&format!("{past_end:?}"), Options { past_end, ..plain() }, 0, "chain");
    }
}

#[test]
fn a_list_that_moves_while_the_server_is_found_out() {
    for (base, page_zero) in BASES {
        for change in [Change::InsertFresh(0), Change::delete(3)] {
            for request in 1..8 {
                for every in [false, true] {
                    let script = Script::new();
                    let script =
                        if every { script.every(1, 1, change.clone()) } else { script.before(request, change.clone()) };
                    let bed = Bed::new(Options { base, page_zero, script, ..plain() });
                    let ran = bed.run(&["--json"]);
                    let read: std::collections::BTreeSet<_> =
                        bed.rows(Table::Sessions).into_iter().map(|row| row[0].1.clone()).collect();
                    let listed =
                        bed.server.with_list(|list| list.sessions().map(|session| session.id).collect::<Vec<_>>());
                    let known = |id: &&String| account().index_of(id).is_some();
                    let lost = listed.iter().filter(known).filter(|id| !read.contains(*id)).count();
                    let what = format!("{base} {page_zero:?} {change:?} {request} {every}");
                    assert!(lost == 0 || ran.code == 3, "{what}: {lost} lost: {ran:?}");
                    assert!(ran.code == 0, "{what}: {ran:?}");
                }
            }
        }
    }
}

#[test]
fn what_the_server_says_of_its_pages() {
    // Rows tell more than words: pages of the asked size overlap.
    for size in ["20", "100", "\"7\""] {
        expect(&format!("perPage {size}"), every(Answer::Info(Field::PerPage, Some(size.to_owned()))), 0, "chain");
    }
    expect("no perPage", every(Answer::Info(Field::PerPage, None)), 0, "chain");
    for page in ["1", "77", "\"x\""] {
        expect(
            &format!("currentPage {page}"),
            every(Answer::Info(Field::CurrentPage, Some(page.to_owned()))),
            0,
            "chain",
        );
    }
    expect("no currentPage", every(Answer::Info(Field::CurrentPage, None)), 0, "chain");
    for total in [0, 20, 100, 949] {
        expect(&format!("total {total}"), Options { total: Total::Stale(total), ..plain() }, 0, "chain");
    }
    for past_end in [Answered::Last(Number::Own), Answered::Status(404)] {
        for size in [20, 95, 300] {
            expect(
                &format!("{past_end:?} {size}"),
                Options { past_end, one_page_size: Some(size), ..plain() },
                0,
                "twice",
            );
        }
    }
    // However far ahead is asked for.
    for latency in [0, 30] {
        let latency = std::time::Duration::from_millis(latency);
        let ran = Bed::new(Options { ignore_page: true, latency, ..plain() }).run(&["--json"]);
        assert_eq!(ran.code, 8, "{ran:?}");
    }
}

#[test]
fn other_orders_are_proven() {
    let moved = || Script::new().every(6, 1, Change::InsertFresh(0));
    for order in [Order::OldestFirst, Order::Shuffled(3), Order::ByEnd] {
        let list = || List::new(Account::new(31, SESSIONS, Shape::Realistic), order);
        expect(&format!("{order:?}, still"), Options::new(list()), 0, "chain");
        // What has no order that could be found is proven only while nothing changes.
        let (code, evidence) = if matches!(order, Order::Shuffled(_)) { (3, "none") } else { (0, "chain") };
        let moving = Options { script: moved(), ..Options::new(list()) };
        expect(&format!("{order:?}, moving"), moving, code, evidence);
    }
    // One change is outlived by walking again.
    let once = Script::new().before(6, Change::InsertFresh(0));
    expect("once", Options { script: once, ..Options::new(List::new(account(), Order::Shuffled(3))) }, 0, "chain");
}

#[test]
fn equal_starts() {
    for tied in [2, 5, 40] {
        let account = account().spaced(Spacing { gap_ms: 60_000, tied });
        let script = Script::new().every(4, 1, Change::InsertFresh(0));
        expect(&format!("{tied} tied"), Options { script, ..Options::new(account) }, 0, "chain");
    }
    let all = account().spaced(Spacing { gap_ms: 60_000, tied: 1_000 });
    expect("all tied, still", Options::new(all), 0, "chain");
    let script = Script::new().every(4, 1, Change::delete(5));
    expect("all tied, moving", Options { script, ..Options::new(all) }, 3, "none");
}
