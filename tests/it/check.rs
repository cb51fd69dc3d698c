//! `check` tells how the API behaves and what a run would do, and writes nothing.

use rollbook::sim::{Account, Answered, Auth, Options, Order, Shape};
use rollbook::sim::{List, Total};

use crate::bed::{Bed, Ran};

fn check(bed: &Bed) -> Ran {
    let ran = Ran::of(bed.command(&["check", "--json"]).output().unwrap());
    assert!(!bed.dataset().exists());
    ran
}

#[test]
fn every_way_of_the_api_is_told() {
    let account = Account::new(4, 450, Shape::Plain);
    let cases = [
        (Options::new(account), "first_page", serde_json::json!(1)),
        (Options { base: 0, ..Options::new(account) }, "first_page", serde_json::json!(0)),
        (Options { page_cap: Some(20), ..Options::new(account) }, "page_size_given", serde_json::json!(20)),
        (Options { one_page_size: Some(50), ..Options::new(account) }, "evidence", serde_json::json!("twice")),
        (Options { page_cap: Some(20), ..Options::new(account) }, "evidence", serde_json::json!("chain")),
        // So small pages don't overlap everywhere.
        (Options { page_cap: Some(4), ..Options::new(account) }, "evidence", serde_json::json!("twice")),
        (Options { total: Total::Missing, ..Options::new(account) }, "total", serde_json::Value::Null),
        (Options { past_end: Answered::Status(404), ..Options::new(account) }, "behind_the_end", "status 404".into()),
        (Options::new(List::new(account, Order::OldestFirst)), "newest_first", serde_json::json!(false)),
        (Options::new(account), "would", "the whole list (nothing was covered before)".into()),
    ];
    for (options, name, expected) in cases {
        let ran = check(&Bed::new(options));
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(ran.receipt()[name], expected, "{name}: {ran:?}");
    }
}

#[test]
fn a_run_reaches_the_evidence_that_was_told() {
    let account = Account::new(4, 450, Shape::Plain);
    for options in [
        Options::new(account),
        Options { page_cap: Some(4), ..Options::new(account) },
        Options { page_cap: Some(12), base: 0, ..Options::new(account) },
        Options { one_page_size: Some(50), ..Options::new(account) },
        Options { total: Total::Missing, ..Options::new(account) },
        Options::new(List::new(account, Order::OldestFirst)),
    ] {
        let bed = Bed::new(options);
        let told = check(&bed).receipt();
        let ran = bed.run(&["--json"]).receipt();
        assert_eq!((&ran["walk"]["evidence"], &ran["exit_code"]), (&told["evidence"], &0.into()), "{told:#}");
    }
}

#[test]
fn it_is_read_by_people_too() {
    let bed = Bed::new(Options::new(Account::new(4, 450, Shape::Plain)));
    assert_eq!(bed.run(&[]).code, 0);
    let ran = Ran::of(bed.command(&["check"]).output().unwrap());
    for line in [
        "token           accepted\n",
        "sessions        450, the same in every answer\n",
        "would read      sessions since 2026-11-",
    ] {
        assert!(ran.stdout.contains(line), "{ran:?}");
    }
    let refused = Bed::new(Options { auth: Auth::Token("another".to_owned()), ..Options::default() });
    assert_eq!(check(&refused).code, 4);
}
