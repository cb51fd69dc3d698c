//! Where a dataset may be, and where it never is made: wrong texts, missing disks, folders that can't be written.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use rollbook::rows::tables::Table;
use rollbook::sim::{Account, Options, Shape};

use crate::bed::{Bed, Ran, TOKEN, rollbook};

fn bed() -> Bed {
    Bed::new(Options::new(Account::new(3, 250, Shape::Plain)))
}

/// A command with another destination.
fn at(bed: &Bed, arguments: &[&str], dest: &str) -> Ran {
    let mut command = rollbook(bed.folder.path());
    command.args(arguments).args(["--base-url", &bed.server.base_url(), "--dest", dest]).env("VIDEOSDK_TOKEN", TOKEN);
    Ran::of(command.output().unwrap())
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().count() == 0
}

#[test]
fn what_is_no_place_never_becomes_a_folder() {
    let bed = bed();
    let wrong = [
        "s3:bucket",
        "s3:/bucket",
        "s3://",
        "s3:///path",
        "s3://$BUCKET/path",
        "s3://bucket//path",
        "S3:bucket",
        "~/data",
        "$HOME/data",
        "file://",
        "file:data",
        "file://host/data",
        "abfss://container@account/data",
        "az:container",
        "hdfs://host/data",
        "https://host/data",
        "host:/data",
        "C:\\data",
        "\\\\server\\share",
        "data\\sub",
        "'/data'",
        " data",
        "data\n",
        "-",
        "/",
    ];
    for text in wrong {
        for command in [&["export"][..], &["export", "--create-parents"], &["check"], &["verify"], &["demo"]] {
            // A value may look like a flag.
            let dest = format!("--dest={text}");
            let mut rollbook = rollbook(bed.folder.path());
            rollbook.args(command).args(["--base-url", &bed.server.base_url(), &dest]).env("VIDEOSDK_TOKEN", TOKEN);
            let ran = Ran::of(rollbook.output().unwrap());
            assert_eq!(ran.code, 2, "{text}: {ran:?}");
            assert!(ran.stderr.contains("error: `dataset.url` ") && ran.stderr.contains("\nhint: "), "{text}: {ran:?}");
        }
        let output = rollbook(bed.folder.path()).arg("export").env("ROLLBOOK_DATASET_URL", text).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
    }
    assert_eq!(bed.pages(), 0);
    assert!(is_empty(bed.folder.path()));
    let dirs =
        [("~/stage", "only a shell knows"), ("s3://b/stage", "a local folder"), ("C:\\x", "path of this system")];
    for (dir, said) in dirs {
        let mut command = bed.export(&[]);
        let ran = Ran::of(command.env("ROLLBOOK_STAGE_DIR", dir).output().unwrap());
        assert!(ran.code == 2 && ran.stderr.contains(said), "{ran:?}");
    }
}

#[test]
fn a_file_url_is_its_folder() {
    let bed = bed();
    let ran = at(&bed, &["export"], &format!("file://{}", bed.dataset().display()));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(bed.rows(Table::Sessions).len(), 250);
}

#[test]
fn a_disk_that_is_not_mounted_does_not_become_a_first_export() {
    let bed = bed();
    let folder = bed.folder.path();
    symlink("/nowhere/disk", folder.join("link")).unwrap();
    fs::write(folder.join("file"), "x").unwrap();
    for (dest, said) in [
        ("disk/rollbook/data", "nor the one above it: disk/rollbook\nhint: look whether its disk is mounted"),
        ("link", "a symbolic link leads to nothing: link\nhint: look whether the disk"),
        ("file", "there is a file in place of the folder: file\n"),
        ("file/data", "there is a file in place of a folder above: file/data\n"),
    ] {
        for command in [&["export"][..], &["export", "--dry-run"], &["backfill", "--month", "2026-10"], &["check"]] {
            let ran = at(&bed, command, dest);
            assert!(ran.code == 6 && ran.stderr.contains(said), "{command:?} {dest}: {ran:?}");
        }
    }
    assert_eq!(fs::read_dir(folder).unwrap().count(), 2);

    let dest = "disk/rollbook/data";
    for command in [&["check", "--create-parents"][..], &["export", "--create-parents", "--dry-run"]] {
        assert_eq!(at(&bed, command, dest).code, 0, "{command:?}");
    }
    assert!(!folder.join("disk").exists());
    assert_eq!(at(&bed, &["export", "--create-parents"], dest).code, 0);
    assert!(folder.join(dest).join("sessions").is_dir());
    // A place for the stage that was chosen is no other.
    let mut command = bed.export(&[]);
    let ran = Ran::of(command.env("ROLLBOOK_STAGE_DIR", folder.join("scratch/rollbook")).output().unwrap());
    assert!(ran.code == 6 && ran.stderr.contains("the folder for the stage is not there"), "{ran:?}");
    assert!(!folder.join("scratch").exists() && !bed.dataset().exists());
}

#[test]
fn a_folder_that_is_gone_is_told() {
    let bed = bed();
    let script = "mkdir gone && cd gone && rmdir ../gone && exec \"$@\"";
    let gone = |dest: &str| {
        let mut command = std::process::Command::new("sh");
        command.args(["-c", script, "sh", env!("CARGO_BIN_EXE_rollbook"), "export", "--dest", dest]);
        command
            .args(["--base-url", &bed.server.base_url()])
            .current_dir(bed.folder.path())
            .env("VIDEOSDK_TOKEN", TOKEN);
        Ran::of(command.output().unwrap())
    };
    let ran = gone("data");
    assert!(ran.code == 6 && ran.stderr.contains("the folder that the command was started in is gone"), "{ran:?}");
    let ran = gone(bed.dataset().to_str().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn check_and_a_dry_run_say_whether_the_dataset_could_be_written() {
    let bed = bed();
    let told = at(&bed, &["check"], "new");
    assert!(told.code == 0 && told.stdout.contains("\ndataset         new, writable\n"), "{told:?}");
    let told = at(&bed, &["check", "--json"], "new").receipt();
    assert_eq!((&told["dataset"], &told["writable"]), (&"new".into(), &true.into()));
    assert_eq!(at(&bed, &["export", "--dry-run"], "new").code, 0);
    assert!(is_empty(bed.folder.path()), "something is left");

    // Nobody can make a folder there.
    let told = at(&bed, &["check", "--json"], "/proc/rollbook");
    assert!(told.code == 6 && told.stderr.contains("error: cannot write to the folder: /proc\n"), "{told:?}");
    let report = told.receipt();
    assert_eq!((&report["writable"], &report["total"]), (&false.into(), &250.into()));
    let told = at(&bed, &["check"], "/proc/rollbook");
    assert!(told.stdout.contains("\ndataset         /proc/rollbook, NOT WRITABLE\n"), "{told:?}");
    let before = bed.pages();
    let ran = at(&bed, &["export", "--dry-run", "--json"], "/proc/rollbook");
    assert_eq!((ran.code, &ran.receipt()["outcome"]), (6, &"destination_failed".into()), "{ran:?}");
    assert_eq!(bed.pages(), before, "the API was asked for nothing");
    let ran = at(&bed, &["purge", "--before", "2020-01-01", "--dry-run"], "/proc/rollbook");
    assert!(ran.code == 6 && ran.stderr.contains("there is no dataset"), "{ran:?}");
}

#[test]
fn where_no_dataset_is_all_commands_say_so_and_make_none() {
    let bed = bed();
    let said = "error: there is no dataset: nowhere/\nhint: check --dest and `dataset.url`";
    for command in [
        &["verify"][..],
        &["verify", "--repair"],
        &["verify", "--repair", "--dry-run"],
        &["purge", "--before", "2020-01-01"],
        &["purge", "--participant-id", "x", "--dry-run"],
    ] {
        let ran = at(&bed, command, "nowhere");
        assert!(ran.code == 6 && ran.stderr.contains(said), "{command:?}: {ran:?}");
    }
    assert!(is_empty(bed.folder.path()));
}
