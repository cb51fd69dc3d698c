//! `rollbook.spark` on a real Spark: standalone clusters, executors and drivers that are killed, speculative twins, orphans, many accounts,
//! and Spark Connect. What each scenario shows is in `tests/readers/split_spark.py`.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rollbook::sim::{Account, Auth, Options, Shape};

use crate::bed::{Bed, TOKEN};
use crate::python::{python_with_spark_connect, run};

/// Plays scenarios against an API that takes its time, so that tasks can be caught while they run.
fn play(scenarios: &[&str]) {
    let account = Account::new(1, 6_000, Shape::Realistic);
    let (auth, latency) = (Auth::Token(TOKEN.to_owned()), Duration::from_millis(100));
    let bed = Bed::new(Options { auth, latency, ..Options::new(account) });
    let token = bed.folder.path().join("token");
    std::fs::write(&token, TOKEN).unwrap();
    let mut command = Command::new(python_with_spark_connect());
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readers/split_spark.py")).args(scenarios);
    command.args(["--binary", env!("CARGO_BIN_EXE_rollbook"), "--base-url", &bed.server.base_url()]);
    command.arg("--work").arg(bed.folder.path().join("work"));
    run(command.env_remove("VIDEOSDK_TOKEN").env("VIDEOSDK_TOKEN_FILE", token));
}

#[test]
fn one_export_by_many_tasks_and_many_accounts_on_spark() {
    play(&["local", "failures", "accounts", "load", "driver", "canary", "local_cluster", "cluster", "orphan", "twin"]);
}

#[test]
fn one_export_by_many_tasks_over_spark_connect() {
    play(&["connect"]);
}
