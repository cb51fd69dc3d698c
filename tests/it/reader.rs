//! A long-lived DuckDB that is asked about datasets, in folders or in an object store.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rollbook::sim::Account;
use rollbook::sim::truth::Totals;
use serde_json::Value;

use crate::python::{python, python_with_s3};
use crate::servers::ObjectStore;

/// The keys of each table, as text.
pub type Keys = BTreeMap<String, BTreeSet<String>>;

/// A running reader; it is stopped when it is dropped.
pub struct Reader {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Reader {
    /// Of folders.
    pub fn of_folders() -> Self {
        Self::start(Command::new(python()), None)
    }

    /// Of what is in a store, over its own protocol.
    pub fn of_objects(store: &ObjectStore) -> Self {
        Self::start(Command::new(python_with_s3()), Some(store.port))
    }

    fn start(mut command: Command, port: Option<u16>) -> Self {
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readers/answer.py"));
        command.args(port.map(|port| port.to_string())).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (questions, answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, questions, answers }
    }

    fn ask(&mut self, question: &str) -> Value {
        writeln!(self.questions, "{question}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{question}: {error}: {line}"));
        let wrong = answer["wrong"].as_array().cloned().unwrap_or_default();
        assert!(wrong.is_empty(), "{question}: {wrong:?}");
        answer
    }

    /// The keys of all tables; no file may be unreadable, no key doubled, no participant without its session.
    pub fn look(&mut self, dataset: &str) -> Keys {
        let answer = self.ask(&format!("look {dataset}"));
        let keys = |found: &Value| found.as_array().unwrap().iter().map(Value::to_string).collect();
        answer["keys"].as_object().unwrap().iter().map(|(table, found)| (table.clone(), keys(found))).collect()
    }

    /// The dataset, at rest, must hold exactly the sessions of an account, with all their rows.
    pub fn holds(&mut self, dataset: &str, account: &Account) {
        let truth = Totals::of(account.sessions());
        let sums = self.ask(&format!("sums {dataset}"))["sums"].clone();
        let wanted = serde_json::json!({
            "sessions": truth.sessions,
            "participants": truth.participants,
            "timelogs": truth.timelogs,
            "open_sessions": truth.open_sessions,
            "session_duration_ms": truth.session_duration_ms,
            "occupied_ms": truth.occupied_ms,
            "total_attended_ms": truth.attended_ms,
            "attended_ms": truth.attended_ms,
            "gross_ms": truth.gross_ms,
            "timelog_duration_ms": truth.timelog_duration_ms,
        });
        assert_eq!(sums, wanted, "{dataset}");
    }

    /// Begins to look at a dataset again and again.
    pub fn watch(&mut self, dataset: &str) {
        self.ask(&format!("watch {dataset}"));
    }

    /// Ends that; all that was seen must have been right, and nothing may have vanished.
    pub fn end(&mut self) {
        let answer = self.ask("end");
        assert!(answer["rounds"].as_u64() >= Some(2), "nothing was watched: {answer}");
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Nothing that was committed may be gone.
pub fn assert_whole(now: &Keys, committed: &Keys, what: &str) {
    for (table, keys) in committed {
        let gone: Vec<_> = now.get(table).map_or(keys.iter().collect(), |now| keys.difference(now).collect());
        assert!(gone.is_empty(), "{what}: gone from {table}: {gone:?}");
    }
}
