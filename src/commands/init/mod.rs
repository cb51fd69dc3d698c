//! `init`: a settings file to begin with, from flags, from answers on a terminal, or from defaults.
//!
//! Every setting is in the file with its meaning; one that stays at its default is a comment. No secret is asked for or written, and
//! the file is there as a whole or not at all.

mod answers;
mod file;

use std::path::{Path, PathBuf};

use super::{Setting, check, run};
use crate::cli::{Global, Init};
use crate::config::{self, Environment, Override};
use crate::error::Result;
use crate::words::stop::Stop;

/// Where the file is written if nobody names another place: the first of the places where settings are looked for.
const USUAL: &str = "./rollbook.toml";

/// What was written, and what to do next.
pub struct Begun {
    /// The file's path.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

/// Writes the file. `given`: the settings among the flags.
///
/// # Errors
/// `Config` where a file is there already, can't be written, or an answer makes no sense; a signal, before anything is written.
pub async fn write(global: &Global, init: &Init, given: Vec<Override>, run_id: &str, stop: &Stop) -> Result<Begun> {
    let path = global.config.clone().unwrap_or_else(|| USUAL.into());
    if !global.dry_run {
        file::refuse(&path, init.force)?;
    }
    let given = [given, init.settings()].concat();
    understood(&given)?;
    let chosen = if init.yes { given } else { answers::ask(given, stop).await? };
    let text = config::written(&chosen);
    if !global.dry_run {
        stop.check()?;
        file::write(&path, &text, init.force, run_id)?;
    }
    Ok(Begun { path, text })
}

/// Refuses settings that make no sense.
fn understood(settings: &[Override]) -> Result<()> {
    config::resolve(Some(Path::new("/dev/null")), None, &Environment::default(), settings.to_vec()).map(drop)
}

/// Tries what was written against the API, where credentials are set; what to do next, as lines for a person.
///
/// # Errors
/// A signal; the file is there all the same.
pub async fn try_out(setting: Setting<'_>, global: &Global, path: &Path, stop: Stop) -> Result<String> {
    let has_some = run::has_credentials(&setting);
    let named = if path == Path::new(USUAL) { String::new() } else { format!(" --config {}", path.display()) };
    if !has_some {
        let variables = &setting.variables;
        return Ok(format!("next: set {variables} in the environment, then run: rollbook{named} check\n"));
    }
    let checked = tokio::select! {
        checked = Box::pin(check::command::check(setting, global, stop.clone())) => checked,
        stopped = stop.wait() => return Err(stopped),
    };
    Ok(match checked {
        Ok(told) if told.error.is_none() => format!("{}next: rollbook{named} export\n", told.text),
        Ok(told) => {
            tracing::warn!("{}", told.error.map_or_else(String::new, |error| error.line()));
            format!("{}next: correct that, then run: rollbook{named} check\n", told.text)
        }
        Err(error) => {
            tracing::warn!("the check failed: {}", error.line());
            format!("next: correct that, then run: rollbook{named} check\n")
        }
    })
}
