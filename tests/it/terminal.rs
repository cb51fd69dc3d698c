//! A command in a terminal, and a person at it.

use std::process::{Command, Stdio};

use crate::bed::TOKEN;

/// Runs a command in a terminal of 100 columns; its exit code, and what was seen there. `key`: what is typed, and when, as
/// `terminal.py` knows it.
pub fn in_terminal(command: &Command, key: &str, environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut terminal = Command::new("python3");
    terminal.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/terminal.py")).arg(key);
    terminal.arg(command.get_program()).args(command.get_args());
    terminal.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    terminal.env_remove("NO_COLOR").env("TERM", "xterm").envs(environment.iter().copied());
    let output = terminal.stdin(Stdio::null()).output().unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let seen = String::from_utf8(output.stdout).unwrap();
    assert!(!seen.contains(TOKEN), "the token was shown");
    (output.status.code(), seen)
}
