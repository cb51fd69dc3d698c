//! A Python of the tests' own: a virtual environment under `target/`, made on first use, versions pinned.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bed::Ran;

/// The interpreter that has the pinned packages.
pub fn python() -> PathBuf {
    environment("requirements.txt", "python")
}

/// One with a DuckDB that can read from S3: the extension for it is packaged for fewer versions.
pub fn python_with_s3() -> PathBuf {
    environment("requirements-s3.txt", "python-s3")
}

/// One with the driver of a browser.
pub fn python_with_browser() -> PathBuf {
    environment("requirements-browser.txt", "python-browser")
}

/// One with engines that read Delta tables, and what the recipes of docs/table-formats.md need.
pub fn python_with_lakes() -> PathBuf {
    environment("requirements-lake.txt", "python-lake")
}

/// One with the newest Spark, and what its Connect needs.
pub fn python_with_spark_connect() -> PathBuf {
    environment("requirements-split.txt", "python-split")
}

fn environment(requirements: &str, folder: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let requirements = root.join("tests/readers").join(requirements);
    let folder = root.join("target").join(folder);
    std::fs::create_dir_all(&folder).unwrap();
    let lock = std::fs::File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    let (python, stamp) = (folder.join("venv/bin/python"), folder.join("installed.txt"));
    let wanted = std::fs::read_to_string(&requirements).unwrap();
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return python;
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder.join("venv")));
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "-r"]).arg(&requirements));
    std::fs::write(stamp, wanted).unwrap();
    python
}

/// Runs a command that must succeed.
pub fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?}\n{}\n{}", text(&output.stdout), text(&output.stderr));
}

/// What a run took.
#[derive(Debug, serde::Deserialize)]
pub struct Figures {
    pub wall_s: f64,
    pub cpu_s: f64,
    pub peak_mib: u64,
}

/// Runs a command that starts from an empty environment, and measures it.
pub fn measured(command: &Command) -> (Ran, Figures) {
    let mut measure = Command::new("python3");
    measure.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/readers/measure.py"));
    measure.arg(command.get_program()).args(command.get_args());
    measure.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut ran = Ran::of(measure.output().unwrap());
    let figures = ran.stdout.lines().last().map(ToOwned::to_owned).unwrap_or_default();
    ran.stdout.truncate(ran.stdout.trim_end().len() - figures.len());
    let figures = serde_json::from_str(&figures).unwrap_or_else(|error| panic!("no figures ({error}): {ran:?}"));
    (ran, figures)
}
