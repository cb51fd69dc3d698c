//! A signal ends every command soon, whatever it waits for or is busy with.

use std::fs::{File, OpenOptions};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rollbook::sim::{Account, Options, Shape};

use crate::bed::{Bed, Ran, TOKEN, end_within, rollbook, signal};

/// Far less than any of the waits here takes, and more than a busy machine makes of a second.
const SOON: Duration = Duration::from_secs(8);

fn exported() -> Bed {
    let bed = Bed::new(Options::new(Account::new(89, 40, Shape::Realistic)));
    let ran = bed.run(&["-q"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    bed
}

/// Sends SIGTERM once the command is in the midst of it; it must end with 143 soon.
fn stops(what: &str, mut child: Child) {
    std::thread::sleep(Duration::from_millis(1_500));
    if let Some(status) = child.try_wait().unwrap() {
        panic!("{what}: over before the signal: {status} {:?}", Ran::of(child.wait_with_output().unwrap()));
    }
    signal(&child, "-TERM");
    let ran = end_within(SOON, what, child);
    assert_eq!(ran.code, 143, "{what}: {ran:?}");
}

fn spawned(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn an_object_store_that_never_answers_holds_no_command() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let bed = Bed::new(Options::new(Account::new(89, 40, Shape::Realistic)));
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    for arguments in
        [&["export"][..], &["verify"], &["verify", "--repair"], &["check"], &["purge", "--before", "2020-01-01"]]
    {
        let mut command = rollbook(bed.folder.path());
        command.args(arguments).args(["--dest", "s3://bucket/data", "--base-url", &bed.server.base_url()]);
        command.env("VIDEOSDK_TOKEN", TOKEN).envs([
            ("AWS_ENDPOINT", endpoint.as_str()),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", "us-east-1"),
        ]);
        stops(&arguments.join(" "), spawned(command));
    }
}

#[test]
fn a_file_that_takes_long_to_read_holds_no_command() {
    let bed = exported();
    let (part, _) = bed.files().into_iter().find(|(path, _)| path.to_str().unwrap().contains("timelogs")).unwrap();
    // Without blocks on the disk.
    OpenOptions::new().write(true).open(&part).unwrap().set_len(200 << 30).unwrap();
    stops("verify", spawned(bed.command(&["verify"])));
    stops("export", spawned(bed.export(&[])));
    stops("purge", spawned(bed.command(&["purge", "--before", "2026-11-10"])));
}

#[test]
fn a_lock_on_swaps_that_is_not_let_go_holds_no_run() {
    let mut bed = exported();
    let lock = File::open(bed.dataset().join("_rollbook/swap")).unwrap();
    lock.lock().unwrap();
    bed.serve(Options::new(Account::new(89, 60, Shape::Realistic)));
    stops("export", spawned(bed.export(&[])));
    drop(lock);
    assert_eq!(bed.run(&["-q"]).code, 0);
}
