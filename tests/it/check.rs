//! `check` tells how the API behaves and what a run would do, and writes nothing.

use rollbook::sim::{Account, Answered, Auth, List, Number, On, Options, Order, Shape, Special, Total};

use crate::bed::{Bed, Ran, TOKEN};

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

/// The options of a server that answers some requests otherwise.
fn special(on: On, answered: Answered) -> Options {
    let account = Account::new(4, 450, Shape::Plain);
    Options { specials: vec![Special::new(on, answered)], ..Options::new(account) }
}

#[test]
fn a_page_that_is_not_there_ends_no_check() {
    let elsewhere = Answered::Redirect("https://elsewhere.example/login");
    for (answered, told) in [
        (Answered::First(Number::Own), "page 1 again"),
        (Answered::First(Number::Asked), "page 1 again"),
        (Answered::FromEnd, "the end of the list"),
        (Answered::Empty, "no sessions"),
        (Answered::DataNull, "no sessions"),
        (Answered::NoData, "no sessions"),
        (Answered::EmptyObject, "no answer (an empty body)"),
        (Answered::NoContent, "no answer (an empty body)"),
        (Answered::Message, "no answer (not a page of sessions)"),
        (Answered::Status(422), "status 422"),
        (Answered::Status(500), "no answer (500)"),
        (Answered::Status(403), "no answer (403)"),
        (Answered::TooFast(3600), "no answer (429)"),
        (elsewhere, "no answer (302)"),
        (Answered::Close, "no answer (the connection failed)"),
    ] {
        let ran = check(&Bed::new(special(On::PageZero, answered)));
        assert_eq!((ran.code, &ran.receipt()["page_zero"]), (0, &told.into()), "{answered:?} {ran:?}");
        assert_eq!(ran.receipt()["first_page"], 1, "{answered:?} {ran:?}");
    }
    for (answered, told) in [
        (Answered::Empty, "0 sessions"),
        (Answered::DataNull, "0 sessions"),
        (Answered::Last(Number::Own), "the last page again"),
        (Answered::Last(Number::Asked), "the last page again"),
        (Answered::First(Number::Own), "page 1 again"),
        (Answered::Status(416), "status 416"),
        (Answered::Status(503), "no answer (503)"),
        (Answered::NoContent, "no answer (an empty body)"),
        (elsewhere, "no answer (302)"),
    ] {
        let ran = check(&Bed::new(special(On::Behind, answered)));
        assert_eq!((ran.code, &ran.receipt()["behind_the_end"]), (0, &told.into()), "{answered:?} {ran:?}");
    }
}

#[test]
fn the_largest_page_that_is_given_is_found() {
    for (on, status, refused, size) in [
        (On::SizeAbove(50), 422, "status 422", 50),
        (On::SizeAbove(20), 500, "no answer (500)", 20),
        (On::SizeOtherThan(vec![7, 20]), 400, "status 400", 20),
        (On::SizeAbove(7), 400, "status 400", 7),
    ] {
        let options = Options { default_per_page: 7, ..special(on, Answered::Status(status)) };
        let ran = check(&Bed::new(options));
        assert_eq!(ran.code, 0, "{ran:?}");
        let told = ran.receipt();
        assert_eq!((&told["page_size_refused"], &told["page_size_given"]), (&refused.into(), &size.into()), "{told:#}");
    }
    let ran = check(&Bed::new(special(On::List, Answered::Status(503))));
    assert!(ran.code == 5 && ran.stderr.contains("no usable answer after"), "{ran:?}");
}

#[test]
fn an_account_without_sessions_is_told_from_a_wrong_address() {
    for answered in [Answered::Status(404), Answered::NoContent, Answered::EmptyObject] {
        let none = || special(On::List, answered);
        let refusing = none();
        let mut specials = vec![Special::new(On::WrongToken, Answered::Status(401))];
        specials.extend(refusing.specials.clone());
        let account = check(&Bed::new(Options { specials, auth: Auth::Token(TOKEN.to_owned()), ..refusing }));
        assert_eq!(
            (account.code, &account.receipt()["total"]),
            (0, &serde_json::Value::Null),
            "{answered:?} {account:?}"
        );
        let nowhere = check(&Bed::new(none()));
        assert!(matches!(nowhere.code, 5 | 8), "{answered:?} {nowhere:?}");
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
        "api             http://127.0.0.1:",
        "account         not named by the token\n",
        "token           accepted; the token says nothing of its end\n",
        "sessions        450, the same in every answer\n",
        "would read      sessions since 2026-11-",
    ] {
        assert!(ran.stdout.contains(line), "{ran:?}");
    }
    // A token of account `an-account` until the year 2100.
    let claims = "eyJhcGlrZXkiOiJhbi1hY2NvdW50IiwiZXhwIjo0MTAyNDQ0ODAwfQ";
    let token = format!("eyJhbGciOiJIUzI1NiJ9.{claims}.c2lnbmF0dXJl");
    let fresh = Bed::new(Options::new(Account::new(4, 450, Shape::Plain)));
    let told = |arguments: &[&str]| Ran::of(fresh.command(arguments).env("VIDEOSDK_TOKEN", &token).output().unwrap());
    let ran = told(&["check"]);
    assert!(
        ran.stdout.contains("account         an-account\ntoken           accepted; ends 2100-01-01T00:00:00Z, in "),
        "{ran:?}"
    );
    let report = told(&["check", "--json"]).receipt();
    let said = [&report["account"], &report["token_expires_at"], &report["api_version"]];
    assert_eq!(said, ["an-account", "2100-01-01T00:00:00Z", "v1"]);
    let refused = Bed::new(Options { auth: Auth::Token("another".to_owned()), ..Options::default() });
    assert_eq!(check(&refused).code, 4);
}
