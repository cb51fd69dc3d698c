//! Another user of the machine: settings that he may write, files with the token that he may write or read, and named pipes in
//! their place. The token goes nowhere, and nothing hangs.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use rollbook::sim::{Account, Auth, Options, Shape};

use crate::bed::{Bed, Ran, TOKEN, rollbook};
use crate::hostile_files::{ends, pipe};

fn served() -> Bed {
    let auth = Auth::Token(TOKEN.to_owned());
    Bed::new(Options { auth, ..Options::new(Account::new(89, 12, Shape::Realistic)) })
}

/// A settings file that has the API asked at the bed's server.
fn settings(bed: &Bed, path: &Path, mode: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("[api]\nbase_url = \"{}\"\n", bed.server.base_url())).unwrap();
    allow(path, mode);
}

fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// `rollbook check` with whatever settings are found, and the token.
fn check(bed: &Bed, arguments: &[&str]) -> Ran {
    let mut command = rollbook(bed.folder.path());
    command.arg("check").args(arguments).env("VIDEOSDK_TOKEN", TOKEN);
    ends(command)
}

/// Nothing was asked, and it is said why.
fn is_refused(bed: &Bed, ran: &Ran, words: &[&str]) {
    assert_eq!(ran.code, 2, "{ran:?}");
    for word in words.iter().chain(&["error: ", "hint: "]) {
        assert!(ran.stderr.contains(word), "no {word:?} in {ran:?}");
    }
    assert_eq!(bed.server.requests().log.len(), 0, "the API was asked: {ran:?}");
}

/// Makes a file another user's, in the eyes of the command that is returned for it.
fn given_away(path: &Path, command: Command) -> Command {
    if Command::new("id").arg("-u").output().unwrap().stdout == b"0\n" {
        assert!(Command::new("chown").args(["-h", "65534:65534"]).arg(path).status().unwrap().success());
        return command;
    }
    // Within a name space of its own, a process's user is another one than that of a file of the system.
    fs::remove_file(path).unwrap();
    symlink("/etc/passwd", path).unwrap();
    let mut wrapped = Command::new("unshare");
    wrapped.arg("-r").arg(command.get_program()).args(command.get_args()).env_clear();
    wrapped.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    wrapped.env("PATH", std::env::var_os("PATH").unwrap_or_default()).current_dir(command.get_current_dir().unwrap());
    wrapped
}

#[test]
fn settings_that_others_may_write_are_not_taken_where_they_are_found() {
    for place in ["rollbook.toml", ".config/rollbook/rollbook.toml"] {
        let bed = served();
        let path = bed.folder.path().join(place);
        for mode in [0o666, 0o664, 0o646, 0o620, 0o602] {
            settings(&bed, &path, mode);
            is_refused(&bed, &check(&bed, &[]), &["others may write it", place, "chmod go-w"]);
        }
        for mode in [0o600, 0o644, 0o400] {
            settings(&bed, &path, 0o600);
            allow(&path, mode);
            let ran = check(&bed, &[]);
            assert_eq!(ran.code, 0, "{mode:o}: {ran:?}");
            let whole = bed.folder.path().join(place);
            assert!(ran.stderr.contains("the settings file in force: "), "{ran:?}");
            assert!(ran.stderr.contains(whole.file_name().unwrap().to_str().unwrap()), "{ran:?}");
            allow(&path, 0o600);
        }
    }
}

#[test]
fn settings_that_were_named_may_be_a_groups_and_not_everybodys() {
    let bed = served();
    let path = bed.folder.path().join("team.toml");
    let named = || check(&bed, &["--config", path.to_str().unwrap()]);
    for mode in [0o666, 0o646, 0o602] {
        settings(&bed, &path, mode);
        is_refused(&bed, &named(), &["others may write it", "team.toml"]);
        let mut command = rollbook(bed.folder.path());
        command.arg("check").env("VIDEOSDK_TOKEN", TOKEN).env("ROLLBOOK_CONFIG", &path);
        is_refused(&bed, &ends(command), &["others may write it", "team.toml"]);
    }
    settings(&bed, &path, 0o664);
    assert_eq!(named().code, 0);
}

#[test]
fn settings_of_another_user_are_not_taken_where_they_are_found() {
    for place in ["rollbook.toml", ".config/rollbook/rollbook.toml"] {
        let bed = served();
        let path = bed.folder.path().join(place);
        settings(&bed, &path, 0o644);
        let mut command = rollbook(bed.folder.path());
        command.arg("check").env("VIDEOSDK_TOKEN", TOKEN);
        let ran = ends(given_away(&path, command));
        is_refused(&bed, &ran, &["it is another user's", place, "--config"]);
    }
    // Nor by a link of his to a file of one's own.
    let bed = served();
    let (own, link) = (bed.folder.path().join("own.toml"), bed.folder.path().join("rollbook.toml"));
    settings(&bed, &own, 0o644);
    symlink("own.toml", &link).unwrap();
    let mut command = rollbook(bed.folder.path());
    command.arg("check").env("VIDEOSDK_TOKEN", TOKEN);
    let ran = ends(given_away(&link, command));
    is_refused(&bed, &ran, &["it is another user's", "rollbook.toml"]);
}

#[test]
fn settings_in_a_folder_where_everybody_may_replace_them_are_not_taken() {
    let bed = served();
    let folder = bed.folder.path().join("shared");
    let path = folder.join("rollbook.toml");
    settings(&bed, &path, 0o644);
    let named = || check(&bed, &["--config", path.to_str().unwrap()]);
    allow(&folder, 0o777);
    is_refused(&bed, &named(), &["others may write to its folder", "chmod o-w"]);
    let mut found = rollbook(&folder);
    found.arg("check").env("VIDEOSDK_TOKEN", TOKEN);
    is_refused(&bed, &ends(found), &["others may write to its folder", "chmod o-w"]);
    // As in /tmp, where nobody can replace the files of others.
    allow(&folder, 0o1777);
    assert_eq!(named().code, 0);
    let bed = served();
    let path = bed.folder.path().join("tmp/rollbook.toml");
    settings(&bed, &path, 0o644);
    allow(path.parent().unwrap(), 0o1777);
    let mut command = rollbook(bed.folder.path());
    command.arg("check").arg("--config").arg(&path).env("VIDEOSDK_TOKEN", TOKEN);
    is_refused(&bed, &ends(given_away(&path, command)), &["it is another user's"]);
}

#[test]
fn settings_that_are_no_file_hang_nothing() {
    for named in [false, true] {
        let bed = served();
        let path = bed.folder.path().join("rollbook.toml");
        let arguments = ["--config", path.to_str().unwrap()];
        let check = || check(&bed, if named { &arguments } else { &[] });
        pipe(&path);
        is_refused(&bed, &check(), &["cannot read the settings file", "a named pipe is in the way", "rollbook.toml"]);
        fs::remove_file(&path).unwrap();
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        is_refused(&bed, &check(), &["a socket is in the way"]);
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        is_refused(&bed, &check(), &["a folder is in the way"]);
        fs::remove_dir(&path).unwrap();
        symlink("/dev/zero", &path).unwrap();
        is_refused(&bed, &check(), &["a device is in the way"]);
        fs::remove_file(&path).unwrap();
        fs::write(&path, vec![b'#'; (1 << 20) + 1]).unwrap();
        is_refused(&bed, &check(), &["more than 1048576 bytes"]);
    }
}

#[test]
fn another_address_is_told_with_who_named_it() {
    let bed = served();
    let url = bed.server.base_url();
    let says = |command: Command, source: &str| {
        let ran = ends(command);
        assert_eq!(ran.code, 0, "{ran:?}");
        let line = format!("the API is not asked at its usual address, {source} says: {url}");
        assert!(ran.stderr.contains(&line), "no {line:?} in {ran:?}");
    };
    let command = |name: &str| {
        let mut command = rollbook(bed.folder.path());
        command.arg(name).env("VIDEOSDK_TOKEN", TOKEN);
        command
    };
    for name in ["check", "export"] {
        let mut by_flag = command(name);
        by_flag.args(["--base-url", &url]);
        says(by_flag, "flag --base-url");
        let mut by_variable = command(name);
        by_variable.env("ROLLBOOK_API_BASE_URL", &url);
        says(by_variable, "environment ROLLBOOK_API_BASE_URL");
    }
    settings(&bed, &bed.folder.path().join("rollbook.toml"), 0o644);
    says(command("export"), "file ./rollbook.toml:2");
    let mut usual = command("purge");
    usual.args(["--before", "2020-01-01"]);
    let ran = ends(usual);
    assert!(ran.code == 0 && !ran.stderr.contains("usual address"), "nothing is asked: {ran:?}");
}

#[test]
fn a_token_file_that_others_may_write_is_refused_and_one_that_they_may_read_is_told() {
    let bed = served();
    let path = bed.folder.path().join("token");
    let export = || {
        let mut command = rollbook(bed.folder.path());
        command
            .args(["export", "--dest", "data", "--base-url", &bed.server.base_url()])
            .env("VIDEOSDK_TOKEN_FILE", &path);
        ends(command)
    };
    fs::write(&path, TOKEN).unwrap();
    for mode in [0o620, 0o602, 0o666, 0o660] {
        allow(&path, mode);
        is_refused(&bed, &export(), &["VIDEOSDK_TOKEN_FILE", "others may write it", "chmod go-w"]);
    }
    for (mode, is_open) in [(0o600, false), (0o400, false), (0o640, false), (0o644, true), (0o604, true)] {
        allow(&path, mode);
        let ran = export();
        assert_eq!(ran.code, 0, "{mode:o}: {ran:?}");
        assert_eq!(
            ran.stderr.contains("every user of this machine may read the file with the token"),
            is_open,
            "{mode:o}: {ran:?}"
        );
    }
    // As a cluster hands a secret over: by links.
    symlink("token", bed.folder.path().join("link")).unwrap();
    allow(&path, 0o600);
    let mut linked = rollbook(bed.folder.path());
    linked.args(["check", "--base-url", &bed.server.base_url()]).env("VIDEOSDK_TOKEN_FILE", "link");
    assert_eq!(ends(linked).code, 0);
}

#[test]
fn a_token_file_that_is_no_file_hangs_nothing() {
    let bed = served();
    let path = bed.folder.path().join("token");
    pipe(&path);
    let mut command = rollbook(bed.folder.path());
    command.args(["export", "--base-url", &bed.server.base_url()]).env("VIDEOSDK_TOKEN_FILE", &path);
    is_refused(
        &bed,
        &ends(command),
        &["cannot read the file named by VIDEOSDK_TOKEN_FILE", "a named pipe is in the way"],
    );
}

#[test]
fn nobody_holds_a_lock_who_may_merely_read() {
    let bed = served();
    let own = bed.dataset().join("_rollbook");
    fs::create_dir_all(own.join("stage")).unwrap();
    // As an earlier version, or a copy, has left them.
    for name in ["lock", "swap"] {
        fs::write(own.join(name), "").unwrap();
        allow(&own.join(name), 0o644);
    }
    allow(&own.join("stage"), 0o755);
    let export = |faults: &str| bed.export(&["-q"]).env("ROLLBOOK_TEST_FAULTS", faults).output().unwrap();
    assert_eq!(export("none").status.code(), Some(0));
    let died = export("die:3");
    assert_eq!(died.status.code(), None, "{died:?}");
    let mode = |name: &str| fs::metadata(own.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(["lock", "swap", "stage"].map(mode), [0o600, 0o600, 0o700]);
    assert!(["stage/rows", "stage/identities", "stage/journal"].into_iter().all(|name| mode(name) == 0o600));
    if Command::new("id").arg("-u").output().unwrap().stdout == b"0\n" {
        // Everybody may look into the folders above them.
        for folder in [bed.folder.path().to_owned(), bed.dataset(), own.clone()] {
            allow(&folder, 0o755);
        }
        for name in ["lock", "swap", "stage"] {
            let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups", "--", "flock", "-n"];
            let held = Command::new("setpriv").args(nobody).arg(own.join(name)).arg("true").output().unwrap();
            assert!(!held.status.success(), "{name}: {held:?}");
            assert!(String::from_utf8_lossy(&held.stderr).contains("ermission denied"), "{name}: {held:?}");
        }
    }
    let ran = export("none");
    assert_eq!(ran.status.code(), Some(0), "{ran:?}");
}
