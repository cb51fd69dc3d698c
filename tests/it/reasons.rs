//! What an operator finds in the log when a run does not end with 0: why, and where, in every mode.

use rollbook::sim::{Account, Answer, Canned, Options, Script, Shape};

use crate::bed::{Bed, Ran};

fn scripted(script: Script) -> Options {
    Options { script, ..Options::new(Account::new(3, 250, Shape::Plain)) }
}

fn every(answer: impl Into<Answer>) -> Options {
    scripted(Script::new().answer_every(1, 1, answer))
}

#[test]
fn the_reason_is_in_the_log_in_every_mode() {
    let rejects = || Options { reject_every: Some(50), ..scripted(Script::new()) };
    let cases: [(&dyn Fn() -> Options, i32, &str); 6] = [
        (&|| every(Answer::Short(3)), 3, "sessions each had "),
        (&rejects, 3, "new records could not be read whole ("),
        (&|| every(Answer::status(401)), 4, "401 Unauthorized"),
        (&|| every(Answer::status(402)), 5, "402 Payment Required"),
        (&|| every(Answer::status(503)), 5, "503 Service Unavailable: scripted 503"),
        (&|| every(Answer::body("text/html", "<html>")), 8, "200 OK: the body is not one JSON object: <html>"),
    ];
    for (options, code, reason) in cases {
        for mode in [&[][..], &["--json"], &["-q"], &["--json", "-q"], &["--dry-run", "-q"]] {
            for format in ["text", "json"] {
                let bed = Bed::new(options());
                let ran = bed.run(&[mode, &["--log-format", format]].concat());
                assert_eq!(ran.code, code, "{mode:?}: {ran:?}");
                let lines =
                    || ran.stderr.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
                let errors: Vec<_> = lines().filter(|line| line["level"] == "ERROR").collect();
                let said = if format == "text" {
                    assert_eq!(ran.stderr.matches("error: ").count(), 1, "{mode:?}: {ran:?}");
                    ran.stderr.clone()
                } else {
                    assert_eq!((errors.len(), &errors[0]["exit_code"]), (1, &code.into()), "{mode:?}: {ran:?}");
                    let field = |name: &str| errors[0][name].as_str().unwrap_or_default().to_owned();
                    format!("{}: {}\nhint: {}", field("message"), field("cause"), field("hint"))
                };
                assert!(said.contains(reason) && said.contains("\nhint: "), "{mode:?} {format}: {said}");
            }
        }
    }
}

#[test]
fn evidence_that_is_too_weak_for_the_settings_is_told() {
    let bed = Bed::new(Options { one_page_size: Some(50), ..scripted(Script::new()) });
    let ran = Ran::of(bed.export(&["-q"]).env("ROLLBOOK_WALK_ACCEPT", "chain").output().unwrap());
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stderr.contains("the evidence is `twice`, and `walk.accept` asks for `chain`; "), "{ran:?}");
}

#[test]
fn pages_that_are_turned_round_are_told() {
    let ran = Bed::new(every(Answer::Reversed)).run(&["--json"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    let told = "within a page the oldest session comes first, but the pages go from the newest sessions to the oldest";
    assert_eq!(ran.receipt()["walk"]["reasons"][0], told);
    assert!(ran.stderr.contains(&format!("\n  caused by: {told}; ")), "{ran:?}");
}

#[test]
fn a_failure_names_page_size_status_and_the_apis_own_words() {
    const WORDS: &str = "shard 7 is being moved";
    let moved = |status| Canned::status(status).json(format!(r#"{{"error":{{"message":"{WORDS}"}}}}"#));
    for (status, said) in
        [(503, "503 Service Unavailable: "), (429, "429 Too Many Requests: "), (200, "200 OK: no `data` array")]
    {
        // Once: it is tried again.
        let ran = Bed::new(scripted(Script::new().answer_page(2, moved(status)).times(1))).run(&["-v"]);
        let page = "/v1/meeting-sessions?page=2&perPage=";
        let again = ran.stderr.lines().find(|line| line.contains("tried again")).unwrap_or_default();
        assert!(ran.code == 0 && [page, said, WORDS].iter().all(|part| again.contains(part)), "{ran:?}");
        // Always: it ends the run.
        let ran = Bed::new(every(moved(status))).run(&[]);
        let error = &ran.stderr[ran.stderr.find("error: ").unwrap()..];
        let page = "/v1/meeting-sessions?page=1&perPage=100\n";
        assert!([page, said, WORDS, "\nhint: "].iter().all(|part| error.contains(part)), "{ran:?}");
    }
    // A part of the list alone: the data is written, and the reason has the words, too.
    let deep = (3..400).fold(Script::new(), |script, page| script.answer_page(page, moved(400)));
    let ran = Bed::new(scripted(deep)).run(&["--json", "-q"]);
    assert!(ran.code == 3 && ran.stderr.contains("400 Bad Request") && ran.stderr.contains(WORDS), "{ran:?}");
}
