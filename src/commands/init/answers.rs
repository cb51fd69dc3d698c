//! The questions of `init`, for whoever sits at a terminal.

use super::understood;
use crate::config::{KEYS, Override, Source};
use crate::error::{Error, Kind, Result};
use crate::terminal::outlet::STDERR;
use crate::terminal::question;
use crate::words::stop::Stop;

/// What is asked, unless a flag has said it.
const QUESTIONS: [(&str, &str); 4] = [
    ("dataset.url", "Where is the dataset to be? A folder, or s3://, az:// or gs://"),
    ("api.version", "Which version of the sessions API is to be read? v1 or v2"),
    ("dataset.partition_by", "How are sessions cut into partitions? none, month or day; this can't be changed later"),
    ("dataset.since", "From when on are sessions wanted? A day such as 2026-01-01; empty is all"),
];

/// Answers that make no sense, one after the other, before it is given up.
const TRIES: u32 = 5;

/// Asks for what was not given. Where nobody is at a terminal, the defaults stay.
///
/// # Errors
/// A signal; `Config` where no answer makes sense.
pub async fn ask(mut chosen: Vec<Override>, stop: &Stop) -> Result<Vec<Override>> {
    if !question::is_anybody_there() {
        return Ok(chosen);
    }
    for (name, question) in QUESTIONS {
        if chosen.iter().all(|setting| setting.name != name) {
            chosen.extend(answer(name, question, stop).await?);
        }
    }
    Ok(chosen)
}

/// The answer to one question; `None` for the default.
async fn answer(name: &'static str, question: &str, stop: &Stop) -> Result<Option<Override>> {
    let default = KEYS.iter().find(|key| key.name == name).map_or("", |key| key.default);
    for _ in 0..TRIES {
        let asked = question::ask(format!("{question} [{}]: ", if default.is_empty() { "all" } else { default }));
        let answer = tokio::select! {
            biased;
            stopped = stop.wait() => return Err(stopped),
            answer = asked => answer.ok().flatten(),
        };
        // The end of what is typed stands for all further defaults.
        let Some(value) = answer.map(|answer| answer.trim().to_owned()).filter(|answer| !answer.is_empty()) else {
            return Ok(None);
        };
        let answer = Override { name, value, source: Source::Command("init") };
        match understood(std::slice::from_ref(&answer)) {
            Ok(()) => return Ok(Some(answer)),
            Err(error) => STDERR.put(format!("{}\n", error.render()).as_bytes()),
        }
    }
    Err(Error::new(Kind::Config, format!("no answer makes sense: {name}")).hint("run the same command again"))
}
