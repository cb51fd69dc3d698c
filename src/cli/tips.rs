//! Tips for flags that a command does not have: the command that has it, the setting of this name, or what is meant.

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command as Described, CommandFactory, Error};

use super::Cli;
use crate::config::{KEYS, Key};

/// What people write, and what is meant.
const MEANT: &[(&[&str], &str)] = &[
    (
        &["out", "output", "dir", "path", "folder", "destination", "target", "to-dir", "url", "o"],
        "'--dest' says where the dataset is",
    ),
    (
        &["until", "start", "end", "start-date", "end-date", "date", "range", "between"],
        "'rollbook backfill --from DATE --to DATE' exports a range of dates",
    ),
    (&["since"], "'rollbook backfill --from DATE' exports what has started since then, once"),
    (
        &["token", "api-key", "secret", "secret-key", "auth", "authorization", "password", "key"],
        "credentials come from the environment: VIDEOSDK_TOKEN, or VIDEOSDK_API_KEY with VIDEOSDK_SECRET_KEY",
    ),
    (&["room-id", "room", "meeting", "meetings", "meeting-ids", "id"], "'--meeting-id ID' chooses meetings, one each"),
    (&["debug", "log-level", "trace"], "'-v' or '-vv' logs more"),
    (&["silent"], "'-q' logs errors only"),
    (&["no-color", "color", "colour"], "NO_COLOR=1 in the environment turns colours off"),
    (&["no-progress"], "'--progress never' shows none"),
    (&["api-version"], "'--api v2' chooses the version"),
    (&["force", "all", "everything"], "'rollbook export --full' reads the whole list"),
    (
        &["retries", "retry"],
        "it is tried again for as long as the settings 'api.retry_budget' and 'store.retry_budget' say",
    ),
    (&["jobs", "threads", "parallel", "workers"], "the setting 'api.concurrency' says how many requests are in flight"),
    (
        &["page-size", "limit", "perpage", "per-page-size"],
        "the setting 'api.per_page' says how many sessions a page has",
    ),
    (&["format"], "'--json' prints the result as JSON; '--log-format json' logs so"),
];

/// A usage error with a tip for what may be meant by a flag that is not there.
#[must_use]
pub fn with_tips(mut error: Error) -> Error {
    if error.kind() != ErrorKind::UnknownArgument {
        return error;
    }
    let Some(ContextValue::String(typed)) = error.get(ContextKind::InvalidArg) else { return error };
    let name = typed.split('=').next().unwrap_or_default().trim_start_matches('-').replace('_', "-").to_lowercase();
    let tips: Vec<StyledStr> = dated(typed).into_iter().chain(tips(&name)).map(StyledStr::from).collect();
    if !tips.is_empty() {
        // In place of the nearest flag by its letters, which would be another one.
        error.remove(ContextKind::SuggestedArg);
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
    }
    error
}

/// For a date without a flag: `2026-11-01` or `2026-11`.
fn dated(typed: &str) -> Option<String> {
    let has_form = typed
        .bytes()
        .enumerate()
        .all(|(at, byte)| if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() });
    let flag = match typed.len() {
        7 => "--month",
        10 => "--day",
        _ => return None,
    };
    has_form.then(|| format!("'rollbook backfill {flag} {typed}' exports what started then"))
}

/// For a flag's name in small letters, without dashes before it.
fn tips(name: &str) -> Vec<String> {
    let mut tips: Vec<_> =
        MEANT.iter().filter(|(names, _)| names.contains(&name)).map(|(_, tip)| (*tip).to_owned()).collect();
    let mut described = Cli::command();
    described.build();
    let commands = described.get_subcommands().filter(|command| has(command, name)).map(Described::get_name);
    tips.extend(commands.map(|command| format!("'rollbook {command}' has '--{name}'")));
    tips.extend(KEYS.iter().filter(|key| is_meant(key, name)).map(setting));
    tips
}

/// Whether it is a flag of this command, and not one of all.
fn has(command: &Described, name: &str) -> bool {
    command.get_arguments().any(|flag| !flag.is_global_set() && flag.get_long() == Some(name))
}

/// By its whole name or by the last words of it: `--timeout` may be any timeout. Those that have a flag are told by that.
fn is_meant(key: &Key, name: &str) -> bool {
    let field = key.field().replace('_', "-");
    let is_end = || field.strip_suffix(name).is_some_and(|rest| rest.ends_with('-'));
    let has_flag = ["dataset.url", "api.base_url", "api.version"].contains(&key.name);
    let is_far = ["dir", "url"].contains(&name); // told above
    !has_flag && !is_far && (field == name || key.name.replace(['.', '_'], "-") == name || is_end())
}

fn setting(key: &Key) -> String {
    let (section, field, variable) = (key.section(), key.field(), key.variable());
    format!(
        "'{field}' is a setting: {variable}=... in the environment, or '{field} = ...' under [{section}] in rollbook.toml"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str) -> String {
        let error = with_tips(crate::cli::parse(line.split(' ')).unwrap_err());
        assert_eq!(error.exit_code(), 2);
        error.to_string()
    }

    #[test]
    fn a_flag_of_another_command_or_a_setting_is_told() {
        for (line, tips) in [
            (
                "rollbook backfill 2026-11-01",
                &["tip: 'rollbook backfill --day 2026-11-01' exports what started then\n"][..],
            ),
            ("rollbook export 2026-11", &["tip: 'rollbook backfill --month 2026-11' exports what started then\n"]),
            ("rollbook export --month 2026-10", &["tip: 'rollbook backfill' has '--month'\n"]),
            ("rollbook export --from 2026-10-01", &["tip: 'rollbook backfill' has '--from'\n"]),
            ("rollbook --before=2026-10-01", &["tip: 'rollbook purge' has '--before'\n"]),
            ("rollbook backfill --month 2026-10 --full", &["tip: 'rollbook export' has '--full'\n"]),
            (
                "rollbook export --since 2026-01-01",
                &[
                    "'rollbook backfill --from DATE' exports what has started since then, once\n",
                    "'since' is a setting: ROLLBOOK_DATASET_SINCE=... in the environment, or 'since = ...' under [dataset]",
                ],
            ),
            ("rollbook export --per-page 200", &["ROLLBOOK_API_PER_PAGE=..."]),
            ("rollbook check --per_page=200", &["ROLLBOOK_API_PER_PAGE=..."]),
            ("rollbook verify --api-per-page 200", &["ROLLBOOK_API_PER_PAGE=..."]),
            ("rollbook export --timeout 5s", &["ROLLBOOK_API_CONNECT_TIMEOUT=", "ROLLBOOK_API_REQUEST_TIMEOUT="]),
            ("rollbook export --output x", &["'--dest' says where"]),
            ("rollbook export -o x", &["'--dest' says where"]),
            ("rollbook check --token abc", &["VIDEOSDK_TOKEN"]),
            ("rollbook export --room-id x", &["'--meeting-id ID'"]),
        ] {
            let told = told(line);
            assert!(told.starts_with("error: unexpected argument '"), "{told}");
            for tip in tips {
                assert!(told.contains(tip), "{line}: no {tip:?} in {told}");
            }
        }
    }

    #[test]
    fn what_nobody_can_mean_and_what_is_nearly_right_are_told_as_ever() {
        assert!(told("rollbook export --ful").contains("a similar argument exists: '--full'"));
        assert!(!told("rollbook export --nonsense").contains("tip:"));
    }

    #[test]
    fn every_setting_is_known_by_its_name() {
        // These have flags of their own names.
        for key in KEYS.iter().filter(|key| !["api.version", "api.base_url"].contains(&key.name)) {
            assert!(!tips(&key.field().replace('_', "-")).is_empty(), "{}", key.name);
        }
    }
}
