//! Where nothing can be printed, and signals: the run goes on, or ends as the exit codes say.

use std::fs::{self, File};
use std::io::Read;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rollbook::rows::tables::Table;
use rollbook::sim::{Account, Answer, Options, Script, Shape};

use crate::bed::{Bed, Ran, rollbook, signal};

fn account() -> Options {
    Options::new(Account::new(3, 250, Shape::Plain))
}

fn full() -> File {
    File::options().write(true).open("/dev/full").unwrap()
}

/// A command under another program that starts it.
fn under(program: &[&str], command: &Command) -> Command {
    let mut whole = Command::new(program[0]);
    whole.args(&program[1..]).arg(command.get_program()).args(command.get_args());
    whole.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    whole.env("PATH", std::env::var_os("PATH").unwrap()).current_dir(command.get_current_dir().unwrap());
    whole.stdin(Stdio::null());
    whole
}

#[test]
fn an_unwritable_stderr_ends_no_run() {
    for format in ["text", "json"] {
        let arguments = ["--log-format", format, "-vv"];
        let bed = Bed::new(account());
        let output = bed.export(&arguments).stderr(full()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(bed.rows(Table::Sessions).len(), 250);

        // Nobody reads it any more.
        let bed = Bed::new(account());
        let mut child = bed.export(&arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stderr.take());
        assert_eq!(child.wait().unwrap().code(), Some(0));
        assert_eq!(bed.rows(Table::Sessions).len(), 250);

        let bed = Bed::new(account());
        let output = under(&["sh", "-c", "exec \"$@\" 2>&-", "sh"], &bed.export(&arguments)).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(bed.rows(Table::Sessions).len(), 250);
    }
    // An error keeps its code, too.
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["export"][..], &["export", "--nonsense"], &["export", "--log-format", "json"]] {
        let output = rollbook(folder.path()).args(arguments).stderr(full()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn a_log_that_may_not_grow_ends_no_run() {
    let bed = Bed::new(account());
    let log = bed.folder.path().join("log");
    fs::write(&log, vec![b' '; 1 << 20]).unwrap();
    // In blocks of 512 or of 1024 bytes; the files of the dataset are far below both.
    let script = "ulimit -f 512; exec \"$@\" 2>>log";
    let output = under(&["sh", "-c", script, "sh"], &bed.export(&["-vv"])).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(bed.rows(Table::Sessions).len(), 250);
    assert_eq!(fs::metadata(log).unwrap().len(), 1 << 20, "something was logged all the same");
}

#[test]
fn a_log_that_nobody_takes_stops_no_run() {
    // Far more is logged than a pipe holds, and than may wait.
    let bed = Bed::new(Options::new(Account::new(3, 8_000, Shape::Plain)));
    for format in ["text", "json"] {
        let mut export = bed.export(&["-vv", "--log-format", format]);
        export.envs([("ROLLBOOK_API_PER_PAGE", "5"), ("ROLLBOOK_API_RETRY_BUDGET", "30s")]);
        let begun = Instant::now();
        let mut child = export.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0));
        assert!(begun.elapsed() < Duration::from_mins(1), "{:?}", begun.elapsed());
        assert_eq!(bed.rows(Table::Sessions).len(), 8_000);
        // It was as full as it can be.
        let mut log = Vec::new();
        child.stderr.take().unwrap().read_to_end(&mut log).unwrap();
        assert!(log.len() >= 1 << 15, "{}", log.len());
    }
}

/// A command that may start no more threads, for want of what a container or a service is given of them.
fn without_threads(command: &Command) -> Command {
    let is_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    // Root is not limited.
    let nobody: &[&str] = if is_root { &["setpriv", "--reuid=65534", "--clear-groups"] } else { &["env"] };
    let limited = ["prlimit", "--nproc=1"];
    under(&[&limited[..], nobody].concat(), command)
}

#[test]
fn a_limit_on_threads_is_no_defect() {
    let bed = Bed::new(account());
    let output = without_threads(&bed.command(&["check"])).output().unwrap();
    let ran = Ran::of(output);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("error: the system lets this process start no more threads\n  caused by: "), "{ran:?}");
    assert!(ran.stderr.contains("\nhint: raise the limit") && !ran.stderr.contains("defect"), "{ran:?}");
}

#[test]
fn a_limit_on_open_files_is_told_with_its_remedy_and_is_no_damage() {
    let bed = Bed::new(account());
    assert_eq!(bed.run(&["-q"]).code, 0);
    for command in [&["export", "--full"][..], &["verify"]] {
        let mut codes = Vec::new();
        for most in (6..64).step_by(2) {
            let script = format!("ulimit -n {most}; exec \"$@\"");
            let limited = under(&["sh", "-c", &script, "sh"], &bed.command(command)).output().unwrap();
            let ran = Ran::of(limited);
            assert!([0, 2, 5, 6].contains(&ran.code), "{most}: {ran:?}");
            if ran.code != 0 {
                let told = "hint: raise the limit on open files (`ulimit -n`, LimitNOFILE=)";
                assert!(ran.stderr.contains("Too many open files") && ran.stderr.contains(told), "{most}: {ran:?}");
                assert!(!ran.stderr.contains("damaged"), "{most}: {ran:?}");
            }
            codes.push(ran.code);
        }
        assert!([0, 2, 6].iter().all(|code| codes.contains(code)), "{command:?}: {codes:?}");
        assert_eq!(Ran::of(bed.command(&["verify"]).output().unwrap()).code, 0);
    }
}

/// Runs with a stdout that is a full disk.
fn unprinted(mut command: Command) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = command.stdout(full()).output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

#[test]
fn a_result_that_cannot_be_printed_has_a_code_of_its_own() {
    const SAID: &str = "error: the result cannot be written to stdout\n  caused by: No space left on device";
    let bed = Bed::new(account());
    for arguments in [&[][..], &["--json"], &["--dry-run"]] {
        let (code, stderr) = unprinted(bed.export(arguments));
        assert!(code == Some(10) && stderr.contains(SAID) && stderr.contains("\nhint: "), "{arguments:?}: {stderr}");
    }
    assert_eq!(bed.rows(Table::Sessions).len(), 250);
    let runs = fs::read_dir(bed.dataset().join("_rollbook/runs")).unwrap().flatten();
    for receipt in runs.map(|entry| fs::read_to_string(entry.path()).unwrap()) {
        let receipt: serde_json::Value = serde_json::from_str(&receipt).unwrap();
        assert_eq!((&receipt["exit_code"], &receipt["outcome"]), (&0.into(), &"proven".into()));
    }
    // The documented line of cron: log and result on the same disk.
    let output = bed.export(&[]).stdout(full()).stderr(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(10));
    for arguments in [
        &["config"][..],
        &["verify"],
        &["status"],
        &["report"],
        &["rejects"],
        &["check"],
        &["man"],
        &["completions", "bash"],
        &["--help"],
    ] {
        let (code, stderr) = unprinted(bed.command(arguments));
        assert!(code == Some(10) && stderr.contains(SAID), "{arguments:?}: {stderr}");
    }
}

#[test]
fn a_result_that_cannot_be_printed_hides_no_other_code() {
    let scripted = |answer| Options { script: Script::new().answer_every(1, 1, answer), ..account() };
    for (options, code, arguments) in [
        (scripted(Answer::status(401)), 4, &["--json"][..]),
        (scripted(Answer::body("text/html", "<html>")), 8, &["--json"]),
        (scripted(Answer::Short(30)), 3, &[]),
    ] {
        let (ended, stderr) = unprinted(Bed::new(options).export(arguments));
        assert!(ended == Some(code) && stderr.contains("the result cannot be written to stdout"), "{stderr}");
    }
    let folder = tempfile::tempdir().unwrap();
    let mut nonsense = rollbook(folder.path());
    nonsense.args(["export", "--nonsense"]);
    assert_eq!(unprinted(nonsense).0, Some(2));
}

/// An API that takes a while.
fn slow() -> Bed {
    Bed::new(Options { latency: Duration::from_millis(60), ..Options::new(Account::new(3, 2_000, Shape::Plain)) })
}

/// Begins an export, and returns when it reads.
fn begun(bed: &Bed, program: &[&str]) -> Child {
    let mut command = under(program, &bed.export(&["--json"]));
    command.env("ROLLBOOK_API_CONCURRENCY", "1").env("ROLLBOOK_API_PER_PAGE", "50");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while bed.pages() < 4 {
        std::thread::sleep(Duration::from_millis(10));
    }
    child
}

#[test]
fn a_terminal_that_goes_away_stops_a_run_cleanly_unless_it_was_told_to_stay() {
    let bed = slow();
    let child = begun(&bed, &["env", "--default-signal=HUP"]);
    // The shell and the system may both say so.
    signal(&child, "-HUP");
    signal(&child, "-HUP");
    let ran = Ran::of(child.wait_with_output().unwrap());
    assert_eq!(ran.code, 129, "{ran:?}");
    assert_eq!((&ran.receipt()["exit_code"], &ran.receipt()["outcome"]), (&129.into(), &"hung_up".into()));
    assert!(ran.stderr.contains("error: stopped by SIGHUP\nhint: run the same command again"), "{ran:?}");
    let before = bed.pages();
    assert_eq!(bed.run(&["--json"]).code, 0);
    assert!(bed.pages() - before < 40, "nothing was continued: {} requests", bed.pages() - before);

    // As `nohup` does.
    let bed = slow();
    let child = begun(&bed, &["env", "--ignore-signal=HUP"]);
    signal(&child, "-HUP");
    let ran = Ran::of(child.wait_with_output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn beside_a_first_run_there_is_no_dataset_yet() {
    let bed = slow();
    let child = begun(&bed, &["env"]);
    for arguments in [
        &["verify"][..],
        &["verify", "--repair"],
        &["status"],
        &["report"],
        &["rejects"],
        &["views", "--engine", "spark"],
        &["purge", "--before", "2020-01-01"],
        &["purge", "--before", "2020-01-01", "--dry-run"],
    ] {
        let ran = Ran::of(bed.command(arguments).output().unwrap());
        assert_eq!(ran.code, 7, "{arguments:?}: {ran:?}");
        assert!(ran.stderr.contains("error: a first run is under way and has published nothing yet: "), "{ran:?}");
    }
    // Stopped before it has published, it has made none.
    signal(&child, "-TERM");
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(143));
    for arguments in [
        &["verify"][..],
        &["status"],
        &["rejects"],
        &["report"],
        &["views", "--engine", "spark"],
        &["purge", "--before", "2020-01-01"],
    ] {
        let ran = Ran::of(bed.command(arguments).output().unwrap());
        assert!(ran.code == 6 && ran.stderr.contains("error: there is no dataset: "), "{arguments:?}: {ran:?}");
    }
    assert_eq!(bed.run(&[]).code, 0);
    assert_eq!(Ran::of(bed.command(&["verify"]).output().unwrap()).code, 0);
}
