//! Requests that the documented client would not make: whatever they bring, they end no run and alarm nobody.

use rollbook::rows::tables::Table;
use rollbook::sim::{Account, Answered, Auth, Number, On, Options, Shape, Special};

use crate::bed::{Bed, Ran, TOKEN};

const SESSIONS: u64 = 450;
const ELSEWHERE: Answered = Answered::Redirect("https://elsewhere.example/login");

/// What a server may answer in place of a page that it has not.
const ANSWERS: [Answered; 15] = [
    Answered::Empty,
    Answered::DataNull,
    Answered::NoData,
    Answered::EmptyObject,
    Answered::NoContent,
    Answered::Message,
    Answered::Status(400),
    Answered::Status(404),
    Answered::Status(416),
    Answered::Status(422),
    Answered::Status(500),
    Answered::Status(503),
    Answered::Status(403),
    ELSEWHERE,
    Answered::Close,
];

fn run(on: On, answered: Answered) -> (Bed, Ran) {
    let options = Options::new(Account::new(6, SESSIONS, Shape::Plain));
    let bed = Bed::new(Options { specials: vec![Special::new(on, answered)], ..options });
    let ran = bed.run(&[]);
    (bed, ran)
}

fn is_whole_and_quiet(on: On, answered: Answered) {
    let what = format!("{on:?} {answered:?}");
    let (bed, ran) = run(on, answered);
    assert_eq!((ran.code, bed.rows(Table::Sessions).len() as u64), (0, SESSIONS), "{what}: {ran:?}");
    assert!(!ran.stderr.contains("WARN"), "{what}: {ran:?}");
}

#[test]
fn page_zero_ends_no_run() {
    for answered in ANSWERS {
        is_whole_and_quiet(On::PageZero, answered);
    }
    is_whole_and_quiet(On::PageZero, Answered::First(Number::Own));
}

#[test]
fn a_page_behind_the_end_ends_no_run() {
    for answered in ANSWERS {
        is_whole_and_quiet(On::Behind, answered);
    }
}

#[test]
fn a_probe_that_is_refused_does_not_hide_a_token_that_is() {
    let options = Options::new(Account::new(6, SESSIONS, Shape::Plain));
    let bed = Bed::new(Options { auth: Auth::Token(format!("{TOKEN}-of-another")), ..options });
    let ran = bed.run(&[]);
    assert!(ran.code == 4 && ran.stderr.contains("401 Unauthorized"), "{ran:?}");
}

#[test]
fn an_empty_list_may_lack_its_rows_but_no_answer_is_no_list() {
    for answered in [Answered::Empty, Answered::DataNull, Answered::NoData] {
        let bed = Bed::new(Options { specials: vec![Special::new(On::EmptyList, answered)], ..Options::default() });
        let ran = bed.run(&[]);
        assert!(ran.code == 0 && bed.rows(Table::Sessions).is_empty(), "{answered:?}: {ran:?}");
    }
    let (bed, ran) = run(On::List, Answered::Message);
    assert!(ran.code == 8 && ran.stderr.contains("it says: Sign in to go on"), "{ran:?}");
    assert!(bed.files().is_empty());
}
