//! What happens at which request: plain data that a test can read like a sentence.
//!
//! ```
//! use rollbook::sim::{Answer, Change, Script};
//!
//! let script = Script::new()
//!     .before(3, Change::InsertFresh(0))
//!     .after(4, vec![Change::delete(7), Change::delete(7)])
//!     .every(5, 2, Change::InsertFresh(0)).times(10)
//!     .answer(6, Answer::status(500)).times(2)
//!     .answer_page(9, Answer::Short(1));
//! assert_eq!(script.rules().len(), 5);
//! ```
//!
//! List requests are counted from 1, in the order in which they arrive, retries included; those refused before the list
//! is looked at (token, rate limit, a wrong query) don't count. Where several rules meet in one request, they are
//! followed in their order.

use super::answer::Answer;
use super::change::Change;

/// When a rule fires, and what it does then.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Which requests fire the rule.
    pub when: When,
    /// How often it fires at most.
    pub times: u64,
    /// What is done when it fires.
    pub deed: Deed,
}

/// Which requests a rule is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// The list requests number `from`, `from + step`, and so on.
    Request {
        /// The number of the first request meant, from 1.
        from: u64,
        /// From one request meant to the next, at least 1.
        step: u64,
    },
    /// List requests for the page of this number, whatever its size; a request without a number is for page 1.
    Page(u64),
    /// Requests for the session with this id.
    Session(String),
    /// Requests for any single session.
    AnySession,
}

/// What is done when a rule fires.
#[derive(Debug, Clone, PartialEq)]
pub enum Deed {
    /// Changes the list before the answer is made.
    Before(Vec<Change>),
    /// Changes the list after the answer is made.
    After(Vec<Change>),
    /// Alters the answer itself; the list stays as it is.
    Answer(Answer),
}

/// A list of rules; see the module.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Script {
    rules: Vec<Rule>,
}

impl Script {
    /// A script without rules: nothing ever happens.
    #[must_use]
    pub const fn new() -> Self {
        Self { rules: Vec::new() }
    }

    /// The rules, in the order in which they were given.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Changes the list before the `request`-th list request is answered.
    #[must_use]
    pub fn before(self, request: u64, changes: impl Into<Vec<Change>>) -> Self {
        self.rule(When::Request { from: request, step: 1 }, 1, Deed::Before(changes.into()))
    }

    /// Changes the list after the `request`-th list request is answered.
    #[must_use]
    pub fn after(self, request: u64, changes: impl Into<Vec<Change>>) -> Self {
        self.rule(When::Request { from: request, step: 1 }, 1, Deed::After(changes.into()))
    }

    /// Changes the list before the list requests `from`, `from + step`, and so on.
    #[must_use]
    pub fn every(self, from: u64, step: u64, changes: impl Into<Vec<Change>>) -> Self {
        self.rule(When::Request { from, step }, u64::MAX, Deed::Before(changes.into()))
    }

    /// Changes the list before each list request for this page.
    #[must_use]
    pub fn before_page(self, page: u64, changes: impl Into<Vec<Change>>) -> Self {
        self.rule(When::Page(page), u64::MAX, Deed::Before(changes.into()))
    }

    /// Alters the answer to the `request`-th list request.
    #[must_use]
    pub fn answer(self, request: u64, answer: impl Into<Answer>) -> Self {
        self.rule(When::Request { from: request, step: 1 }, 1, Deed::Answer(answer.into()))
    }

    /// Alters the answers to the list requests `from`, `from + step`, and so on.
    #[must_use]
    pub fn answer_every(self, from: u64, step: u64, answer: impl Into<Answer>) -> Self {
        self.rule(When::Request { from, step }, u64::MAX, Deed::Answer(answer.into()))
    }

    /// Alters each answer to a list request for this page.
    #[must_use]
    pub fn answer_page(self, page: u64, answer: impl Into<Answer>) -> Self {
        self.rule(When::Page(page), u64::MAX, Deed::Answer(answer.into()))
    }

    /// Alters each answer to a request for the session with this id; alterations of pages do nothing there.
    #[must_use]
    pub fn answer_session(self, id: &str, answer: impl Into<Answer>) -> Self {
        self.rule(When::Session(id.to_owned()), u64::MAX, Deed::Answer(answer.into()))
    }

    /// Alters each answer to a request for a single session, whichever it is.
    #[must_use]
    pub fn answer_sessions(self, answer: impl Into<Answer>) -> Self {
        self.rule(When::AnySession, u64::MAX, Deed::Answer(answer.into()))
    }

    /// Has the last rule fire so often at most; `answer(6, …).times(2)` is about the requests 6 and 7.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        if let Some(rule) = self.rules.last_mut() {
            rule.times = times;
        }
        self
    }

    fn rule(mut self, when: When, times: u64, deed: Deed) -> Self {
        self.rules.push(Rule { when, times, deed });
        self
    }
}

/// A script and how far it has come.
pub(super) struct Run {
    rules: Vec<Rule>,
    requests: u64,
}

/// What the rules have to say to one request.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Due {
    pub(super) before: Vec<Change>,
    pub(super) after: Vec<Change>,
    pub(super) answers: Vec<Answer>,
}

impl Run {
    /// The script before its first request.
    pub(super) fn new(script: Script) -> Self {
        Self { rules: script.rules, requests: 0 }
    }

    /// The next list request, for this page.
    pub(super) fn list(&mut self, page: u64) -> Due {
        self.requests += 1;
        let number = self.requests;
        self.due(|when| match when {
            When::Request { from, step } => number >= *from && (number - from).is_multiple_of((*step).max(1)),
            When::Page(other) => *other == page,
            When::Session(_) | When::AnySession => false,
        })
    }

    /// A request for the session with this id.
    pub(super) fn session(&mut self, id: &str) -> Due {
        self.due(|when| match when {
            When::Session(other) => other == id,
            When::AnySession => true,
            When::Request { .. } | When::Page(_) => false,
        })
    }

    fn due(&mut self, meant: impl Fn(&When) -> bool) -> Due {
        let mut due = Due::default();
        for rule in self.rules.iter_mut().filter(|rule| rule.times > 0 && meant(&rule.when)) {
            rule.times -= 1;
            match &rule.deed {
                Deed::Before(changes) => due.before.extend_from_slice(changes),
                Deed::After(changes) => due.after.extend_from_slice(changes),
                Deed::Answer(answer) => due.answers.push(answer.clone()),
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers of the first 12 list requests, for pages 1 to 12, in which the script does something.
    fn firing(script: Script) -> Vec<u64> {
        let mut run = Run::new(script);
        (1..=12).filter(|page| run.list(*page) != Due::default()).collect()
    }

    #[test]
    fn rules_fire_when_they_should() {
        let change = || Change::InsertFresh(0);
        assert_eq!(firing(Script::new().before(3, change())), [3]);
        assert_eq!(firing(Script::new().after(3, change()).times(2)), [3, 4]);
        assert_eq!(firing(Script::new().every(2, 4, change())), [2, 6, 10]);
        assert_eq!(firing(Script::new().every(2, 4, change()).times(2)), [2, 6]);
        assert_eq!(firing(Script::new().answer_page(5, Answer::Empty)), [5]);
        assert!(firing(Script::new().answer_session("x", Answer::Empty)).is_empty());
    }

    #[test]
    fn a_page_rule_wears_out() {
        let mut run = Run::new(Script::new().answer_page(1, Answer::Empty).times(1).before_page(1, vec![]));
        assert_eq!(run.list(1).answers, [Answer::Empty]);
        assert_eq!(run.list(1).answers, []);
        assert_eq!(run.session("y"), Due::default());
    }
}
