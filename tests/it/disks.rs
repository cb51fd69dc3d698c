//! What a disk can do to a run: be full, be read-only, hold links. The old data stays whole, and the next run completes.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::bed::{Bed, Ran};
use crate::place::{Place, changes, served};
use crate::reader::{Keys, assert_whole};

/// Folders with a committed dataset, and an API that has changed.
struct Stage {
    place: Place,
    after: Bed,
    committed: Keys,
    complete: Keys,
}

impl Stage {
    fn new() -> Self {
        let (place, after) = (Place::folder(), served(changes()));
        let [committed, complete] = place.committed(&after);
        Self { place, after, committed, complete }
    }

    fn requests(&self) -> usize {
        self.after.pages()
    }

    /// A copy of the committed dataset.
    fn dataset(&self, name: &str) -> PathBuf {
        self.place.copy("committed", name);
        self.place.path(name)
    }

    /// A program that runs an export as nobody, where this runs as root.
    fn without_rights(&self) -> &'static [&'static str] {
        allow(self.after.folder.path(), 0o755);
        allow(self.place.path("").as_path(), 0o755);
        let nobody = &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"];
        if is_root() { nobody } else { &["env"] }
    }

    /// Another program that runs an export.
    fn under(&self, program: &[&str], name: &str) -> Command {
        let export = self.place.export(&self.after, name);
        let mut command = Command::new(program[0]);
        command.args(&program[1..]).arg(export.get_program()).args(export.get_args());
        command.env_clear().envs(export.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).current_dir(self.after.folder.path());
        command
    }

    /// The run has failed and said so; what was there stays.
    fn has_failed(&self, name: &str, output: &Output, words: &[&str]) {
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(6), "{name}: {stderr}");
        for word in words.iter().chain(&["error: ", "hint: "]) {
            assert!(stderr.contains(word), "{name}: no {word:?} in {stderr}");
        }
        assert_whole(&self.place.look(name), &self.committed, name);
    }

    fn completes(&self, name: &str) {
        let again = Ran::of(self.place.export(&self.after, name).output().unwrap());
        assert_eq!(again.code, 0, "{name}: {again:?}");
        assert!(self.place.look(name) == self.complete, "{name}");
    }

    /// That, and less is asked of the API than before.
    fn continues(&self, name: &str, asked: usize) {
        let before = self.requests();
        self.completes(name);
        let next = self.requests() - before;
        assert!(next * 2 < asked, "{name}: {next} requests after {asked}: nothing was continued");
    }
}

fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// For root nothing is read-only.
fn is_root() -> bool {
    Command::new("id").arg("-u").output().unwrap().stdout == b"0\n"
}

/// Gives a folder to whom [`Stage::without_rights`] runs as.
fn give(path: &Path) {
    if is_root() {
        assert!(Command::new("chown").args(["-R", "65534:65534"]).arg(path).status().unwrap().success());
    }
}

/// All files under a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

#[test]
fn files_that_may_not_grow() {
    let stage = Stage::new();
    let mut failed = 0;
    // In blocks of 512 bytes.
    for blocks in [0, 1, 4, 16, 32, 48, 64, 128, 256, 512, 1024, 4096] {
        let name = format!("blocks-{blocks}");
        stage.dataset(&name);
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
        let ran = stage.under(&["sh", "-c", &script, "sh"], &name).output().unwrap();
        if ran.status.code() != Some(0) {
            stage.has_failed(&name, &ran, &["File too large"]);
            failed += 1;
        }
        stage.completes(&name);
    }
    assert!((3..12).contains(&failed), "{failed} limits were too small");
}

#[test]
fn a_disk_that_is_full() {
    let stage = Stage::new();
    let size = files(&stage.place.path("committed")).iter().map(|file| fs::metadata(file).unwrap().len()).sum::<u64>();
    let mut failed = 0;
    // From one that is full already to one that holds all.
    for free in [0, 40, 80, 160, 320, 640, 1280, 4096] {
        let name = format!("full-{free}");
        let dataset = stage.dataset(&name);
        // In a name space of its own a disk may be mounted. What is on it is copied back before it goes.
        let script = format!(
            "mv {0} {0}.old && mkdir {0} && mount -t tmpfs -o size={1}k tmpfs {0} && cp -r {0}.old/. {0} || exit 99; \
             \"$@\"; code=$?; cp -r {0} {0}.new && umount {0} && rmdir {0} && mv {0}.new {0}; exit $code",
            dataset.display(),
            size / 1024 + 100 + free,
        );
        let mut command = stage.under(&["unshare", "-rm", "sh", "-c", &script, "sh"], &name);
        let ran = command.output().unwrap();
        if ran.status.code() != Some(0) {
            stage.has_failed(&name, &ran, &["No space left on device"]);
            failed += 1;
        }
        stage.completes(&name);
    }
    assert!((1..8).contains(&failed), "{failed} disks were too small");
}

#[test]
fn folders_that_may_not_be_written() {
    let stage = Stage::new();
    let program = stage.without_rights();
    for (name, folder, is_staged) in [
        ("month", "participants/start_month=2026-11", true),
        ("table", "timelogs", false),
        ("own", "_rollbook", false),
        ("stage", "_rollbook/stage", false),
        ("runs", "_rollbook/runs", false),
    ] {
        let dataset = stage.dataset(name);
        give(&dataset);
        let folder = dataset.join(folder);
        assert!(folder.is_dir(), "{}", folder.display());
        for file in files(&folder) {
            allow(&file, 0o444);
        }
        allow(&folder, 0o555);
        let before = stage.requests();
        let ran = stage.under(program, name).output().unwrap();
        let asked = stage.requests() - before;
        if name == "table" {
            // Its months may be written, but no new one can be made.
            allow(&folder, 0o755);
        }
        stage.has_failed(name, &ran, &[folder.to_str().unwrap(), "Permission denied", "run as the user who owns it"]);
        allow(&folder, 0o755);
        for file in files(&folder) {
            allow(&file, 0o644);
        }
        if is_staged {
            stage.continues(name, asked);
        } else {
            stage.completes(name);
        }
    }
}

#[test]
fn a_new_dataset_in_a_folder_that_may_be_written_and_not_read() {
    let stage = Stage::new();
    let program = stage.without_rights();
    let folder = stage.place.path("drop");
    fs::create_dir(&folder).unwrap();
    give(&folder);
    allow(&folder, 0o333);
    // The lock is what makes the dataset's folder.
    let ran = stage.under(program, "drop/new").env_remove("ROLLBOOK_TEST_LEASE").output().unwrap();
    allow(&folder, 0o755);
    assert!(ran.status.success(), "{ran:?}");
    assert!(files(&folder.join("new/sessions")).len() > 1);
}

#[test]
fn links_in_a_dataset_are_refused() {
    let stage = Stage::new();
    let month = "sessions/start_month=2026-11";
    for (name, link) in [
        ("table", "sessions"),
        ("month", month),
        ("file", "sessions/start_month=2026-11/part-0.parquet"),
        ("own", "_rollbook"),
    ] {
        let dataset = stage.dataset(name);
        let (link, outside) = (dataset.join(link), stage.place.path(&format!("outside-{name}")));
        fs::rename(&link, &outside).unwrap();
        symlink(&outside, &link).unwrap();
        let before = if outside.is_dir() { files(&outside) } else { vec![] };
        let ran = stage.place.export(&stage.after, name).output().unwrap();
        let words = format!("a symbolic link is in the way: {}", link.display());
        stage.has_failed(name, &ran, &[&words, "replace a link"]);
        assert!(!outside.is_dir() || files(&outside) == before, "{name}: something was written outside");
        fs::remove_file(&link).unwrap();
        fs::rename(&outside, &link).unwrap();
        stage.completes(name);
    }
    // The dataset itself may be reached by one.
    let dataset = stage.dataset("whole");
    fs::rename(&dataset, stage.place.path("elsewhere")).unwrap();
    symlink(stage.place.path("elsewhere"), &dataset).unwrap();
    stage.completes("whole");
}

#[test]
fn files_have_the_modes_that_they_should() {
    let stage = Stage::new();
    let dataset = stage.dataset("modes");
    let script = "umask 027; exec \"$@\"";
    // Dies when everything of one file is written, before it is renamed.
    let mut command = stage.under(&["sh", "-c", script, "sh"], "modes");
    let died = command.env("ROLLBOOK_TEST_FAULTS", "die:7").output().unwrap();
    assert_eq!(died.status.code(), None, "{died:?}");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let is_temporary = |path: &&PathBuf| path.extension().is_some_and(|extension| extension == "tmp");
    let found = files(&dataset);
    let temporary: Vec<_> = found.iter().filter(is_temporary).collect();
    assert!(!temporary.is_empty(), "{found:?}");
    assert!(temporary.iter().all(|path| mode(path) == 0o600), "{temporary:?}");
    for path in temporary {
        assert!(!path.to_str().unwrap().ends_with(".parquet"));
    }
    let ran = stage.under(&["sh", "-c", script, "sh"], "modes").output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    let changed = dataset.join("sessions/start_month=2026-11/part-0.parquet");
    assert_eq!(mode(&changed), 0o640);
    assert_eq!(mode(&dataset.join("_rollbook/state.json")), 0o600);
    for path in files(&dataset) {
        assert!(!is_temporary(&&path), "a leftover of a dead run: {}", path.display());
    }
}

#[test]
fn leftovers_of_the_dead_are_swept_and_those_of_the_living_are_not() {
    let stage = Stage::new();
    let dataset = stage.dataset("leftovers");
    let month = dataset.join("sessions/start_month=2026-11");
    let [dead, living] = ["dead", "living"].map(|run| month.join(format!(".part-0.parquet.{run}.0.tmp")));
    for path in [&dead, &living] {
        fs::write(path, "half a file").unwrap();
    }
    let held = File::open(&living).unwrap();
    held.lock().unwrap();
    stage.completes("leftovers");
    assert!(!dead.exists() && living.exists());
}
