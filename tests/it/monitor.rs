//! A monitor that expects to hear of runs (`ROLLBOOK_HEALTHCHECK_URL`): what it is told, and that a run does not depend on it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rollbook::sim::{Account, Canned, Options, Script, Shape};

use crate::bed::{Bed, Ran};

/// The path that is a key.
const KEY: &str = "/ping/canary-0d5c6f1a-key";

/// A monitor on this machine that notes each request, and answers with a status, or not at all.
struct Monitor {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Monitor {
    fn new(status: Option<u16>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let (seen, is_over) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (notes, over, address) = (Arc::clone(&seen), Arc::clone(&is_over), listener.local_addr().unwrap());
        let thread = std::thread::spawn(move || {
            let mut silent = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let Ok((mut stream, _)) = listener.accept() else {
                    std::thread::sleep(Duration::from_millis(5));
                    continue;
                };
                stream.set_nonblocking(false).unwrap();
                stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n")
                    && head.len() < 10_000
                    && stream.read(&mut byte).is_ok_and(|read| read == 1)
                {
                    head.push(byte[0]);
                }
                notes.lock().unwrap().push(String::from_utf8(head).unwrap());
                match status {
                    Some(status) => {
                        drop(write!(
                            stream,
                            "HTTP/1.1 {status} Said\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                        ));
                    }
                    None => silent.push(stream),
                }
            }
        });
        Self { address, seen, is_over, thread: Some(thread) }
    }

    fn url(&self) -> String {
        format!("http://{}{KEY}", self.address)
    }

    /// What was asked for, without the key; every request was bare.
    fn told(&self) -> Vec<String> {
        let path = |head: &String| {
            let (line, headers) = head.split_once("\r\n").unwrap();
            assert!(
                !headers.to_lowercase().contains("authorization") && !headers.to_lowercase().contains("content-length"),
                "{head}"
            );
            let path = line.strip_prefix("GET ").unwrap().strip_suffix(" HTTP/1.1").unwrap();
            path.strip_prefix(KEY).unwrap_or_else(|| panic!("another path: {line}")).to_owned()
        };
        self.seen.lock().unwrap().iter().map(path).collect()
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn refusing() -> Bed {
    let script = (1..=20).fold(Script::new(), |script, request| script.answer(request, Canned::status(403)));
    Bed::new(Options { script, ..Options::new(Account::new(5, 30, Shape::Plain)) })
}

fn willing() -> Bed {
    Bed::new(Options::new(Account::new(5, 30, Shape::Plain)))
}

/// Runs a command that a monitor watches; the key must be nowhere.
fn watched(bed: &Bed, url: &str, arguments: &[&str]) -> Ran {
    let mut command = bed.command(arguments);
    let ran = Ran::of(command.env("ROLLBOOK_HEALTHCHECK_URL", url).output().unwrap());
    assert!(!ran.stderr.contains("canary-0d5c") && !ran.stdout.contains("canary-0d5c"), "the key was shown: {ran:?}");
    ran
}

#[test]
fn it_is_told_of_the_beginning_and_of_the_end() {
    let monitor = Monitor::new(Some(200));
    let bed = willing();
    for (arguments, code, told) in [
        (&["export"][..], 0, &["/start", ""][..]),
        (&["backfill", "--month", "2026-10"], 0, &["/start", ""]),
        (&["purge", "--before", "2020-01-01"], 0, &["/start", ""]),
        (&["export", "--dry-run"], 0, &[]),
        (&["status"], 0, &[]),
        (&["backfill", "--month", "2026-99"], 2, &["/start", "/2"]),
    ] {
        monitor.seen.lock().unwrap().clear();
        let ran = watched(&bed, &monitor.url(), arguments);
        assert_eq!(
            (ran.code, monitor.told()),
            (code, told.iter().map(|&it| it.to_owned()).collect()),
            "{arguments:?}: {ran:?}"
        );
    }
    monitor.seen.lock().unwrap().clear();
    assert_eq!(watched(&refusing(), &format!("{}/", monitor.url()), &["export", "-vv"]).code, 4);
    assert_eq!(monitor.told(), ["/start", "/4"]);
}

#[test]
fn a_monitor_that_fails_is_asked_twice_and_changes_no_code() {
    for (status, word) in [(Some(404), "status 404"), (Some(503), "status 503"), (Some(302), "status 302")] {
        let monitor = Monitor::new(status);
        let ran = watched(&willing(), &monitor.url(), &["export", "--log-format", "json", "-vv"]);
        assert!(ran.code == 0 && ran.stderr.contains(word), "{ran:?}");
        assert_eq!(monitor.told(), ["/start", "/start", "", ""]);
    }
    let gone = Monitor::new(None).url();
    let begun = Instant::now();
    let ran = watched(&refusing(), &gone, &["export"]);
    assert!(ran.code == 4 && ran.stderr.contains("was not told: cannot connect"), "{ran:?}");
    assert!(begun.elapsed() < Duration::from_secs(15));
}

#[test]
fn a_silent_monitor_holds_no_run_for_long() {
    let monitor = Monitor::new(None);
    let begun = Instant::now();
    let ran = watched(&willing(), &monitor.url(), &["export"]);
    assert!(ran.code == 0 && ran.stderr.contains("was not told: timed out"), "{ran:?}");
    assert!(begun.elapsed() < Duration::from_mins(1), "{:?}", begun.elapsed());
}

#[test]
fn a_url_that_others_could_read_is_refused_without_being_shown() {
    for url in [
        "http://example.com/canary-0d5c",
        "canary-0d5c",
        "ftp://127.0.0.1/canary-0d5c",
        "https://canary-0d5c@example.com/x",
    ] {
        let ran = watched(&willing(), url, &["export"]);
        assert!(ran.code == 2 && ran.stderr.contains("no URL of a monitor: ROLLBOOK_HEALTHCHECK_URL"), "{ran:?}");
    }
    let ran = Ran::of(willing().command(&["config"]).env("ROLLBOOK_HEALTHCHECK_URLS", "x").output().unwrap());
    assert!(ran.code == 2 && ran.stderr.contains("did you mean ROLLBOOK_HEALTHCHECK_URL?"), "{ran:?}");
}
