//! DuckDB over a dataset while others write it.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::python::python;

/// Reads a dataset again and again until it is asked what it saw.
pub struct Watcher {
    child: Child,
    printed: BufReader<ChildStdout>,
}

impl Watcher {
    /// Begins to watch; the dataset need not be there yet.
    pub fn over(dataset: &Path) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readers/watch.py");
        let mut command = Command::new(python());
        command.arg(script).arg(dataset).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut printed = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        printed.read_line(&mut line).unwrap();
        assert_eq!(line, "watching\n");
        Self { child, printed }
    }

    /// Has it look once more, and ends it; what it saw must have been right every time.
    pub fn end(mut self) {
        drop(self.child.stdin.take());
        let mut report = String::new();
        self.printed.read_to_string(&mut report).unwrap();
        assert!(self.child.wait().unwrap().success(), "{report}");
        assert!(!report.contains("rounds: 1\n"), "nothing was watched: {report}");
    }
}
