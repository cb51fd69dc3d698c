//! A Python of the tests' own: a virtual environment under `target/`, made on first use, versions pinned.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The interpreter that has the pinned packages.
pub fn python() -> PathBuf {
    environment("requirements.txt", "python")
}

/// One with a DuckDB that can read from S3: the extension for it is packaged for fewer versions.
pub fn python_with_s3() -> PathBuf {
    environment("requirements-s3.txt", "python-s3")
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
