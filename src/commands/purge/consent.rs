//! Whether a rule is stored that matches nothing: somebody must say so, since such a rule is more often a slip than meant.

use tokio::sync::oneshot;

use crate::error::{Error, Kind, Result};
use crate::words::stop::Stop;

/// Puts a question to a person; the line that is typed comes when it comes, `None` where none does.
pub type Ask = Box<dyn FnOnce(String) -> oneshot::Receiver<Option<String>> + Send>;

/// Who may say that a rule which matches nothing is stored all the same.
pub enum Consent {
    /// Whoever typed `--yes` has said so beforehand.
    Given,
    /// A person at a terminal is asked.
    Asked(Ask),
    /// No person is at a terminal to be asked: the purge is refused.
    Nobody,
}

impl Consent {
    /// Gets it for rules, named as they were given, that match nothing.
    ///
    /// # Errors
    /// `Config` where nobody is there or the answer is no; a signal that comes before the answer.
    pub async fn to(self, unmatched: &[String], stop: &Stop) -> Result<()> {
        let what = format!("nothing in the dataset matches: {}", unmatched.join(", "));
        let near = "--dry-run lists near matches";
        match self {
            Self::Given => {
                tracing::warn!("{what}");
                Ok(())
            }
            Self::Nobody => {
                let hint =
                    format!("check the spelling ({near}), or give --yes to keep it out of later runs all the same");
                Err(Error::new(Kind::Config, what).hint(hint))
            }
            Self::Asked(ask) => {
                let answer =
                    ask(format!("{what}\nStore the rule all the same, so that later runs leave these out? [y/N] "));
                let answer = tokio::select! {
                    answer = answer => answer.ok().flatten().is_some_and(|answer| is_yes(&answer)),
                    stopped = stop.wait() => return Err(stopped),
                };
                let refused =
                    || Error::new(Kind::Config, "the purge was not confirmed, and nothing was stored").hint(near);
                answer.then_some(()).ok_or_else(refused)
            }
        }
    }
}

/// Whether an answer is a yes; anything else is none.
fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}
