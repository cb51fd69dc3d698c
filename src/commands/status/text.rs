//! The status for a person, who may have been woken by it: short lines, each with its subject first.

use std::fmt::Write as _;

use super::report::{Due, Status};
use super::runs;
use crate::dataset::receipt::newest::Run;
use crate::rows::partition::PartitionBy;
use crate::rows::tables::Tables;
use crate::stage::Waiting;
use crate::terminal::summary::{counted, grouped, size};
use crate::words::ago;
use crate::words::redact::{one_line, shown};
use crate::words::timestamp;

/// Characters of the message of a failed run that are shown.
const MESSAGE: usize = 300;
/// A day in microseconds.
const DAY: i64 = 86_400_000_000;
/// Stands where neither the state nor the files tell.
const UNKNOWN: &str = "not known";

impl Status {
    /// For a person, ending in a line break.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (subject, line) in self.lines() {
            let _ = writeln!(text, "{subject:<13} {line}");
        }
        for notice in &self.notices {
            let _ = writeln!(text, "notice: {}", shown(&notice.path));
            let _ = writeln!(text, "  {}\n  next: {}", shown(&notice.what), shown(&notice.next));
        }
        text
    }

    /// What is told, line by line: its subject, and what is to be said of it. A line that goes on with the one before has none.
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        let Tables { sessions, participants, timelogs } = self.holding.rows.map(number);
        let mut lines = vec![
            ("dataset", self.dataset()),
            ("account", self.whose()),
            ("sessions", sessions + &self.days()),
            ("participants", participants),
            ("timelogs", timelogs),
            ("size", format!("{} in {}", size(self.holding.bytes), counted(self.holding.files, "file"))),
            ("last run", self.last_run()),
        ];
        lines.extend(self.failure().map(|line| ("", line)));
        lines.push(("last proven", self.run(self.proven.as_ref(), "none has shown that nothing was missed")));
        lines.push(("settled", self.settled()));
        lines.push(("full walk", self.full_walk()));
        lines.push(("running", with_noun(self.holding.open, "session", "without an end when last seen")));
        lines.push(("rejects", self.kept()));
        lines.push(("gone", with_noun(self.gone, "session", "no longer known to the API, kept here")));
        lines.push(("erased", self.erased()));
        lines.extend(self.privacy.as_ref().map(|privacy| ("privacy", shown(&privacy.text()))));
        lines.extend(self.stopped.as_ref().map(|waiting| ("stopped run", self.waits(waiting))));
        let writes = if self.is_running { "yes, a run is writing to the dataset now" } else { "no" };
        lines.push(("under way", writes.to_owned()));
        lines
    }

    fn dataset(&self) -> String {
        let by = match self.by {
            PartitionBy::None => "one partition",
            PartitionBy::Month => "by month",
            PartitionBy::Day => "by day",
        };
        let schema = self.schema_version.map_or_else(String::new, |version| format!(", schema version {version}"));
        format!("{} ({by}{schema})", shown(&self.dataset))
    }

    fn whose(&self) -> String {
        let account = self.account.as_deref().map_or_else(|| UNKNOWN.to_owned(), shown);
        let source = self.source.as_ref();
        account + &source.map_or_else(String::new, |(version, at)| format!(", {} of {}", shown(version), shown(at)))
    }

    /// On which days the sessions began.
    fn days(&self) -> String {
        let Some((first, last)) = self.holding.starts else { return String::new() };
        let days = last.div_euclid(DAY) - first.div_euclid(DAY) + 1;
        let day = |time: i64| timestamp::text(time).chars().take(10).collect::<String>();
        format!(", {} to {} ({})", day(first), day(last), counted(days.unsigned_abs(), "day"))
    }

    fn run(&self, run: Option<&Run>, nothing: &str) -> String {
        let Some(run) = run else { return nothing.to_owned() };
        let when = runs::ended_at(run).map_or_else(|| UNKNOWN.to_owned(), |ended| ago::at(ended, self.now));
        let by = run.evidence().filter(|_| run.exit_code == 0);
        let by = by.map_or_else(String::new, |evidence| format!(" by {}", shown(evidence)));
        format!("{} {when}: exit {}, {}{by}", shown(&run.command), run.exit_code, shown(&run.outcome))
    }

    /// How the last run ended.
    pub fn last_run(&self) -> String {
        self.run(self.last.as_ref(), "none that has left a receipt")
    }

    /// What the last run failed of.
    fn failure(&self) -> Option<String> {
        let error = self.last.as_ref()?.error.as_deref()?;
        Some(one_line(error, MESSAGE))
    }

    fn settled(&self) -> String {
        let until = |fence| format!("what started before {}", ago::at(fence, self.now));
        self.settled_until.map_or_else(|| "nothing".to_owned(), until)
    }

    fn full_walk(&self) -> String {
        match &self.due {
            None => "never due by itself (`walk.full_every` is 0)".to_owned(),
            Some(Due { why: Some(why), .. }) => format!("due now: {}", shown(why)),
            Some(Due { at, why: None }) => format!("due at {}", ago::at(*at, self.now)),
        }
    }

    fn kept(&self) -> String {
        match self.rejects {
            0 => "0 records".to_owned(),
            number => format!("{} kept raw; `rollbook rejects` lists them", counted(number, "record")),
        }
    }

    fn erased(&self) -> String {
        match self.rules {
            None => UNKNOWN.to_owned(),
            Some(0) => "0 rules".to_owned(),
            Some(number) => format!("{} in force; `rollbook purge --list` shows them", counted(number, "rule")),
        }
    }

    fn waits(&self, waiting: &Waiting) -> String {
        let (begun, read) = (ago::at(waiting.begun_at, self.now), counted(waiting.sessions, "session"));
        let until = ago::at(waiting.until, self.now);
        format!("begun {begun}, {read} read\n{:14}the same command goes on with it, until {until}", "")
    }
}

fn number(number: Option<u64>) -> String {
    number.map_or_else(|| UNKNOWN.to_owned(), grouped)
}

fn with_noun(number: Option<u64>, noun: &str, what: &str) -> String {
    number.map_or_else(|| UNKNOWN.to_owned(), |number| format!("{} {what}", counted(number, noun)))
}
