//! A cap on what a run may ask for (`api.max_requests`): nothing goes beyond it, and runs get on all the same.

use std::process::Command;

use rollbook::sim::{Account, Canned, Options, Script, Shape};

use crate::bed::{Bed, Ran};

/// Runs a command with so many requests at most; returns how many the server has seen.
fn capped(bed: &Bed, mut command: Command, most: usize) -> (Ran, usize) {
    let before = bed.server.requests().log.len();
    let ran = Ran::of(command.env("ROLLBOOK_API_MAX_REQUESTS", most.to_string()).output().unwrap());
    let sent = bed.server.requests().log.len() - before;
    assert!(sent <= most, "{sent} requests of {most}: {ran:?}");
    (ran, sent)
}

fn nightly(bed: &Bed, arguments: &[&str]) -> Command {
    let mut command = bed.command(&["export", "--json"]);
    command.args(arguments).env("ROLLBOOK_API_PER_PAGE", "10");
    command
}

#[test]
fn runs_go_on_from_each_other_until_all_is_read() {
    let bed = Bed::new(Options::new(Account::new(21, 600, Shape::Plain)));
    let mut runs = 0;
    loop {
        runs += 1;
        assert!(runs < 20, "no end");
        let (ran, sent) = capped(&bed, nightly(&bed, &[]), 20);
        let receipt = ran.receipt();
        assert_eq!(receipt["walk"]["sent"], sent);
        if ran.code == 0 {
            break;
        }
        assert_eq!((ran.code, &receipt["outcome"], sent), (5, &"request_limit".into(), 20), "{ran:?}");
        assert!(
            ran.stderr.contains("error: no more requests may be sent, since `api.max_requests` allows: 20\nhint: "),
            "{ran:?}"
        );
        assert!(bed.files().is_empty(), "something is published");
    }
    assert!(runs > 2, "{runs}");
    let other = Bed::new(Options::new(Account::new(21, 600, Shape::Plain)));
    assert_eq!(Ran::of(nightly(&other, &[]).output().unwrap()).code, 0);
    let bytes = |bed: &Bed| bed.files().into_iter().map(|(_, bytes)| bytes).collect::<Vec<_>>();
    assert!(bytes(&bed) == bytes(&other));
}

#[test]
fn no_request_of_any_kind_goes_beyond_the_cap() {
    let account = || Account::new(71, 300, Shape::Varied);
    for most in 1..=14 {
        let mut bed = Bed::new(Options::new(account()));
        assert_eq!(Ran::of(nightly(&bed, &[]).output().unwrap()).code, 0);
        // Answers that fail are asked for again, and that counts, too.
        let script =
            Script::new().answer(2, Canned::status(503)).answer(5, Canned::status(404)).answer(6, Canned::status(401));
        bed.serve(Options { script, ..Options::new(account()) });
        for arguments in [&[][..], &["--full", "--meeting-id", "no-such-meeting"], &["--full", "--fresh"]] {
            let (ran, _) = capped(&bed, nightly(&bed, arguments), most);
            assert!([0, 3, 4, 5].contains(&ran.code), "{arguments:?} {most}: {ran:?}");
        }
        capped(&bed, bed.command(&["check"]), most);
        bed.serve(Options::new(account()));
        let ran = Ran::of(nightly(&bed, &["--full"]).output().unwrap());
        assert_eq!(ran.code, 0, "{ran:?}");
    }
}

#[test]
fn sessions_that_are_not_asked_for_any_more_are_owed_and_the_rest_is_written() {
    let bed = Bed::new(Options::new(Account::new(21, 600, Shape::Varied)));
    let ran = (0..20).map(|_| capped(&bed, nightly(&bed, &[]), 20)).find(|(ran, _)| ran.code != 5);
    // The last one has read the rest of the list, and asks for sessions that were running when the others read them.
    let (ran, sent) = ran.unwrap();
    let receipt = ran.receipt();
    assert_eq!((ran.code, sent, &receipt["outcome"]), (3, 20, &"not_proven".into()), "{ran:?}");
    assert!(receipt["walk"]["vanished"]["failed"].as_u64().unwrap() > 0 && receipt["sessions"] == 600, "{receipt:#}");
    assert!(ran.stderr.contains("as many requests were sent as `api.max_requests` allows"), "{ran:?}");
    assert!(!ran.stderr.contains("are not answered by id either"), "{ran:?}");
    assert_eq!(Ran::of(nightly(&bed, &[]).output().unwrap()).code, 0);
}
