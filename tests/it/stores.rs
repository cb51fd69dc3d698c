//! What an object store can do to a run: refuse, forget, break off, be slow, be gone. A proxy in front of a real one plays
//! it. Either the run ends well after trying again, or it says where, why and what next, the old data stays whole, and
//! the next run goes on with the rows that were staged.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::bed::{Bed, Ran, TOKEN, rollbook, signal};
use crate::place::{Place, changes, served};
use crate::proxy::{Asked, Fate, Proxy};
use crate::reader::{Keys, assert_whole};

/// A store with a committed dataset, and a proxy in front of it.
struct Stage {
    place: Place,
    proxy: Proxy,
    after: Bed,
    committed: Keys,
    complete: Keys,
}

impl Stage {
    fn new() -> Self {
        let place = Place::moto();
        let proxy = Proxy::before(place.store.as_ref().unwrap().port);
        let after = served(changes());
        let [committed, complete] = place.committed(&after);
        Self { place, proxy, after, committed, complete }
    }

    fn through_proxy(&self, name: &str) -> Command {
        let mut command = self.place.export(&self.after, name);
        command.envs(self.place.store.as_ref().unwrap().through(self.proxy.port));
        command
    }

    /// A run whose requests have a fate, from a dataset that is there.
    fn run(&self, name: &str, rule: impl FnMut(&Asked) -> Fate + Send + 'static) -> Ran {
        self.place.copy("committed", name);
        self.proxy.rule(rule);
        Ran::of(self.through_proxy(name).output().unwrap())
    }

    /// The run must end well, with everything in place.
    fn survives(&self, name: &str, rule: impl FnMut(&Asked) -> Fate + Send + 'static) {
        let ran = self.run(name, rule);
        assert_eq!(ran.code, 0, "{name}: {ran:?}");
        assert!(self.place.look(name) == self.complete, "{name}");
    }

    /// The run must end with 6 within some seconds and these words; the next one goes on with its rows.
    fn fails(&self, name: &str, words: &[&str], rule: impl FnMut(&Asked) -> Fate + Send + 'static) {
        let (begun, first) = (Instant::now(), self.after.pages());
        let ran = self.run(name, rule);
        let asked = self.after.pages() - first;
        assert_eq!(ran.code, 6, "{name}: {ran:?}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{name}: took {:?}", begun.elapsed());
        for word in words.iter().chain(&[&*self.place.url(name), "caused by: ", "hint: "]) {
            assert!(ran.stderr.contains(word), "{name}: no {word:?} in {}", ran.stderr);
        }
        assert!(ran.stderr.lines().all(|line| line.len() < 1000), "{name}: {}", ran.stderr);
        assert_whole(&self.place.look(name), &self.committed, name);
        let next = self.after.pages();
        let again = Ran::of(self.place.export(&self.after, name).output().unwrap());
        assert_eq!(again.code, 0, "{name}: {again:?}");
        assert!(self.place.look(name) == self.complete, "{name}");
        let next = self.after.pages() - next;
        assert!(asked == 0 || next * 2 < asked, "{name}: {next} requests after {asked}: nothing was continued");
    }
}

/// This fate for the first request that is meant; all others pass.
fn once(is_meant: impl Fn(&Asked) -> bool + Send, fate: Fate) -> impl FnMut(&Asked) -> Fate + Send {
    let mut fate = Some(fate);
    move |asked| if is_meant(asked) { fate.take().unwrap_or(Fate::Pass) } else { Fate::Pass }
}

/// This fate for all requests from the first that writes a table's file.
fn from_the_first_table(fate: Fate) -> impl FnMut(&Asked) -> Fate + Send {
    let mut has_begun = false;
    move |asked| {
        has_begun |= asked.writes_table();
        if has_begun { fate.clone() } else { Fate::Pass }
    }
}

/// This fate for every nth request.
fn every(nth: usize, fate: Fate) -> impl FnMut(&Asked) -> Fate + Send {
    let mut number = 0;
    move |_| {
        number += 1;
        if number % nth == 0 { fate.clone() } else { Fate::Pass }
    }
}

fn error(code: &str) -> String {
    format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>as chosen</Message></Error>")
}

#[test]
fn a_store_that_stumbles_is_asked_again() {
    let stage = Stage::new();
    let reads_table = |asked: &Asked| asked.method == "GET" && asked.target.contains(".parquet");
    let replaces = |asked: &Asked| asked.writes_table() && !asked.header("if-match").is_empty();
    stage.survives("done-500", every(4, Fate::Done(500, error("InternalError"))));
    stage.survives("done-503", once(Asked::writes_table, Fate::Done(503, error("SlowDown"))));
    stage.survives("refused-503", every(3, Fate::Answer(503, error("SlowDown"))));
    stage.survives("lost", every(5, Fate::Lost));
    stage.survives("reset", every(4, Fate::Reset));
    stage.survives("slow", |_| Fate::Late(Duration::from_millis(20)));
    stage.survives("cut", once(reads_table, Fate::Cut));
    stage.survives("conflict", once(replaces, Fate::Answer(409, error("ConditionalRequestConflict"))));
    stage.survives("refused-412", once(replaces, Fate::Answer(412, error("PreconditionFailed"))));
}

#[test]
fn a_store_that_fails_is_named_and_the_next_run_goes_on() {
    let stage = Stage::new();
    let forbidden = || Fate::Answer(403, error("AccessDenied"));
    stage.fails("403-on-put", &["part-0.parquet", "AccessDenied", "what they allow there"], move |asked| {
        if asked.writes_table() { forbidden() } else { Fate::Pass }
    });
    stage.fails("403-on-all-puts", &["_rollbook/probe", "AccessDenied", "what they allow there"], move |asked| {
        if asked.method == "PUT" { forbidden() } else { Fate::Pass }
    });
    let broken = from_the_first_table(Fate::Answer(500, error("InternalError")));
    stage.fails("dead", &["part-0.parquet", "InternalError", "check the object store"], broken);
    stage.fails("silent", &["part-0.parquet", "no answer"], from_the_first_table(Fate::Silence));
    stage.fails("resetting", &["part-0.parquet"], from_the_first_table(Fate::Reset));
    stage.fails("never-reached", &["_rollbook/probe"], |_| Fate::Reset);
    let gone = from_the_first_table(Fate::Answer(404, error("NoSuchBucket")));
    stage.fails("bucket-gone", &["NoSuchBucket", "check that the bucket"], gone);
    let expired = from_the_first_table(Fate::Answer(400, error("ExpiredToken")));
    stage.fails("expired", &["part-0.parquet", "ExpiredToken", "renew them"], expired);
}

#[test]
fn a_store_without_conditions_is_refused() {
    let stage = Stage::new();
    for (name, words, fate, is_meant) in [
        ("501", "must support conditional writes", Fate::Answer(501, error("NotImplemented")), "if-none-match"),
        ("quotes", "refuses the etag that it gave itself (If-Match)", Fate::Answer(412, error("x")), "if-match"),
    ] {
        let ran =
            stage.run(name, move |asked| if asked.header(is_meant).is_empty() { Fate::Pass } else { fate.clone() });
        assert_eq!(ran.code, 2, "{name}: {ran:?}");
        assert!(ran.stderr.contains(words) && ran.stderr.contains("hint: "), "{name}: {ran:?}");
        assert!(stage.place.look(name) == stage.committed, "{name}");
    }
}

#[test]
fn a_signal_ends_a_run_whose_store_is_silent() {
    let stage = Stage::new();
    for (name, rule) in [
        ("at-once", Box::new(|_: &Asked| Fate::Silence) as Box<dyn FnMut(&Asked) -> Fate + Send>),
        ("while-publishing", Box::new(from_the_first_table(Fate::Silence))),
    ] {
        stage.place.copy("committed", name);
        stage.proxy.rule(rule);
        let mut command = stage.through_proxy(name);
        command.env("ROLLBOOK_STORE_RETRY_BUDGET", "100s").stdout(std::process::Stdio::null());
        let mut child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
        let waits = |asked: &[Asked]| asked.iter().any(Asked::writes_table) || name == "at-once" && !asked.is_empty();
        while !waits(&stage.proxy.asked()) {
            assert!(child.try_wait().unwrap().is_none(), "{name}: ended by itself");
            std::thread::sleep(Duration::from_millis(20));
        }
        let signalled = Instant::now();
        signal(&child, "-INT");
        let ran = child.wait_with_output().unwrap();
        let took = signalled.elapsed();
        assert_eq!(ran.status.code(), Some(130), "{name}: {ran:?}");
        assert!(took < Duration::from_secs(10), "{name}: took {took:?}");
        assert_whole(&stage.place.look(name), &stage.committed, name);
        let again = Ran::of(stage.place.export(&stage.after, name).output().unwrap());
        assert_eq!(again.code, 0, "{name}: {again:?}");
        assert!(stage.place.look(name) == stage.complete, "{name}");
    }
}

#[test]
fn options_reach_the_store_and_credentials_are_renewed() {
    let stage = Stage::new();
    stage.place.copy("committed", "options");
    // Credentials of the machine's role, which are good for a second.
    let mut issued = 0;
    stage.proxy.rule(move |asked| {
        if !asked.target.starts_with("/latest/") {
            return Fate::Late(Duration::from_millis(50));
        }
        let text = if asked.target.ends_with("/token") {
            "a token".to_owned()
        } else if asked.target.ends_with("/security-credentials/") {
            "a-role".to_owned()
        } else {
            issued += 1;
            let expires = chrono::Utc::now() + Duration::from_millis(300_500);
            format!(
                r#"{{"Code":"Success","Type":"AWS-HMAC","LastUpdated":"{0}","AccessKeyId":"KEY{issued}","SecretAccessKey":"s","Token":"TOKEN{issued}","Expiration":"{0}"}}"#,
                expires.to_rfc3339()
            )
        };
        Fate::Answer(200, text)
    });
    let mut command = stage.through_proxy("options");
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        command.env_remove(name);
    }
    command.env("AWS_METADATA_ENDPOINT", format!("http://127.0.0.1:{}", stage.proxy.port));
    command.env("ROLLBOOK_STORE_OPTIONS", "aws_server_side_encryption=aws:kms, aws_sse_kms_key_id=a-key");
    let ran = Ran::of(command.output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(!ran.stdout.contains("TOKEN") && !ran.stderr.contains("TOKEN"), "{ran:?}");
    assert!(stage.place.look("options") == stage.complete);

    let asked = stage.proxy.asked();
    let of_store: Vec<_> = asked.iter().filter(|asked| !asked.target.starts_with("/latest/")).collect();
    assert!(of_store.iter().all(|asked| asked.target.starts_with("/bucket")), "not path style");
    for put in of_store.iter().filter(|asked| asked.method == "PUT") {
        assert_eq!(put.header("x-amz-server-side-encryption"), "aws:kms", "{put:?}");
        assert_eq!(put.header("x-amz-server-side-encryption-aws-kms-key-id"), "a-key", "{put:?}");
        assert!(!put.header("if-match").is_empty() || put.header("if-none-match") == "*", "without condition: {put:?}");
    }
    let tokens: BTreeSet<_> = of_store.iter().map(|asked| asked.header("x-amz-security-token")).collect();
    assert!(tokens.len() > 1 && tokens.iter().all(|token| token.starts_with("TOKEN")), "never renewed: {tokens:?}");
}

#[test]
fn one_holds_the_lease_and_one_that_is_dead_loses_it() {
    let stage = Stage::new();
    let leased = |arguments: &[&str]| {
        let mut command = stage.through_proxy("committed");
        command.args(arguments).env("ROLLBOOK_TEST_LEASE", "300ms");
        command
    };
    // The first run waits at its first table; its lease is renewed meanwhile.
    let hold = |seconds| once(Asked::writes_table, Fate::Late(Duration::from_secs(seconds)));
    let has_begun = || stage.proxy.asked().iter().any(Asked::writes_table);
    let hold_for = |seconds: u64| {
        stage.proxy.rule(hold(seconds));
        let child = leased(&[]).env("ROLLBOOK_STORE_RETRY_BUDGET", "30s").stdout(std::process::Stdio::null()).spawn();
        while !has_begun() {
            std::thread::sleep(Duration::from_millis(20));
        }
        child.unwrap()
    };
    let mut holder = hold_for(8);
    let begun = Instant::now();
    let second = Ran::of(leased(&[]).output().unwrap());
    assert_eq!(second.code, 7, "{second:?}");
    assert!(begun.elapsed() < Duration::from_secs(6) && second.stderr.contains("--wait"), "{second:?}");
    let waiting = Ran::of(leased(&["--wait=20s"]).output().unwrap());
    assert_eq!(waiting.code, 0, "{waiting:?}");
    assert!(holder.wait().unwrap().success() && begun.elapsed() > Duration::from_secs(2));

    // One that is killed does not give it back.
    stage.proxy.rule(|_| Fate::Pass);
    stage.place.copy("complete", "spare");
    let mut command = stage.through_proxy("spare");
    command.env("ROLLBOOK_TEST_LEASE", "300ms").env("ROLLBOOK_TEST_FAULTS", "die:20");
    assert_eq!(command.output().unwrap().status.code(), None);
    let begun = Instant::now();
    let mut command = stage.through_proxy("spare");
    let next = Ran::of(command.args(["--wait=20s"]).env("ROLLBOOK_TEST_LEASE", "300ms").output().unwrap());
    assert_eq!(next.code, 0, "{next:?}");
    assert!(begun.elapsed() > Duration::from_millis(900) && next.stderr.contains("is gone"), "{next:?}");
    let lease = stage.place.store.as_ref().unwrap().files("spare/_rollbook/lease");
    assert_eq!(lease, ["spare/_rollbook/lease.json"], "it is never deleted");
}

#[test]
fn check_looks_at_the_store_too() {
    let stage = Stage::new();
    let store = stage.place.store.as_ref().unwrap();
    let check = |url: &str| {
        let mut command = rollbook(stage.after.folder.path());
        command.args(["check", "--base-url", &stage.after.server.base_url(), "--dest", url]);
        command.env("VIDEOSDK_TOKEN", TOKEN).envs(store.environment.clone());
        command
    };
    let ran = Ran::of(check("s3://bucket/new").output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(store.files("new/").is_empty(), "something is left");
    let ran = Ran::of(check("s3://no-such-bucket/new").output().unwrap());
    assert_eq!(ran.code, 6, "{ran:?}");
    assert!(ran.stderr.contains("check that the bucket"), "{ran:?}");
    let ran = Ran::of(check("s3://bucket/new").env("ROLLBOOK_STORE_OPTIONS", "aws_endpont=x").output().unwrap());
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("aws_endpont") && ran.stderr.contains("hint: "), "{ran:?}");
}
