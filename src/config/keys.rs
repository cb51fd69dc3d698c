//! The one table of settings, and `config/rollbook.toml`, which is printed from it.

use std::fmt::Write;

use super::source::Override;

/// How a setting is written in TOML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Text in quotes: `"3d"`.
    Text,
    /// A number without quotes: `100`.
    Number,
    /// `true` or `false`, without quotes.
    Flag,
    /// Texts in brackets: `["name", "participant_id"]`.
    List,
}

/// One setting: its name, form and default, and what it is for.
#[derive(Debug, PartialEq, Eq)]
pub struct Key {
    /// `section.key`, as it is called in the file.
    pub name: &'static str,
    pub(super) form: Form,
    /// The default as text, without quotes.
    pub default: &'static str,
    /// One sentence for the operator, as in the file of settings and in tips.
    pub doc: &'static str,
}

const fn key(name: &'static str, form: Form, default: &'static str, doc: &'static str) -> Key {
    Key { name, form, default, doc }
}

use Form::{Flag, List, Number, Text};

/// Every setting, by section, in the order in which they are shown.
#[rustfmt::skip]
pub const KEYS: &[Key] = &[
    key("api.version", Text, "v1", "Which version of the sessions API is read: \"v1\" or \"v2\"."),
    key("api.base_url", Text, "https://api.videosdk.live", "Where the API is: the origin only, the documented paths are appended."),
    key("api.per_page", Number, "100", "Sessions asked for in one page, 1 to 10000; larger is faster where the server allows it."),
    key("api.concurrency", Number, "8", "Requests in flight at most, 1 to 256."),
    key("api.requests_per_second", Number, "0", "Requests started in a second at most; 0 sets no limit."),
    key("api.max_requests", Number, "0", "Requests that one run may send, each attempt counted; 0 sets no limit."),
    key("api.connect_timeout", Text, "10s", "For the TCP and TLS handshake."),
    key("api.read_timeout", Text, "30s", "The longest silence while a response is read."),
    key("api.request_timeout", Text, "60s", "For one attempt as a whole."),
    key("api.retry_budget", Text, "150s", "For one request with all its attempts and the waiting between them."),
    key("api.max_body_bytes", Number, "67108864", "Bytes of one response at most, after decompression."),
    key("walk.overlap", Number, "2", "Sessions by which neighbouring pages overlap at least; wider where the list moves."),
    key("walk.lookback", Text, "3d", "How far a nightly run goes back behind what is settled, for sessions that are listed late."),
    key("walk.full_every", Text, "7d", "A nightly run whose last full walk is older than this reads the whole list; 0s is never."),
    key("walk.ledger_max_age", Text, "30d", "Running sessions that started longer ago are asked for again by full walks only."),
    key("walk.accept", Text, "twice", "The weakest evidence that exit code 0 is given for: \"chain\", \"twice\" or \"total\"."),
    key("dataset.url", Text, "./rollbook-data", "The dataset: a folder, or s3://bucket/path, az://container/path or gs://bucket/path."),
    key("dataset.partition_by", Text, "month", "\"none\", \"month\" or \"day\" of a session's start in UTC; can't be changed later."),
    key("dataset.since", Text, "", "Sessions that started earlier get no rows: a day, a month or a time, UTC: \"2026-01-01\"; empty is all."),
    key("dataset.max_rejects", Number, "0", "Unreadable records that a run may have before it exits with 3: new ones, and all without an id."),
    key("dataset.max_partitions", Number, "5000", "Partitions that one run may make: more are most likely dates that no session has."),
    key("dataset.keep_receipts", Text, "400d", "How long receipts are kept at least; 0s keeps all. Those that something rests on stay longer."),
    key("dataset.keep_unknown_fields", Flag, "false", "Whether fields unknown to this version are kept, as JSON in the column extra."),
    key("snapshots.format", Text, "", "Immutable files beside the plain ones: \"none\", \"files\" or \"delta\"; empty is as the dataset has it."),
    key("snapshots.keep", Text, "7d", "How long a snapshot is kept after a newer one has taken its place."),
    key("people.key", Text, "name", "By what one human is known: \"name\", or \"participant_id\" where your application gives its users lasting ids."),
    key("people.pattern", Text, "", "A regular expression with one group that cuts the key out of the name or id: '^(.+?)--'; empty is the whole value."),
    key("people.normalize", Flag, "true", "Whether names are one key however they are typed: capitals, white space and composed characters aside."),
    key("privacy.pseudonymize", List, "[]", "Columns that are kept as tokens: \"name\", \"participant_id\", \"custom_room_id\". Persons become tokens with the first two."),
    key("privacy.drop", List, "[]", "Columns that are not kept: \"name\", \"chat_link\", \"custom_room_id\", \"extra\". With any protection extra is empty."),
    key("privacy.exclude_participants", List, "[]", "Regular expressions on name or id: who matches one is kept and flagged, and counts in no number: [\"^Recorder$\"]."),
    key("privacy.key_file", Text, "", "A file with the key of the tokens, if ROLLBOOK_PSEUDONYM_KEY does not hold it: 32 random bytes, base64 or hexadecimal."),
    key("store.options", Text, "", "Options of the object store, name=value and commas: \"aws_endpoint=https://s3.example\"; no secrets."),
    key("store.retry_budget", Text, "150s", "For one request to an object store with all its attempts and the waiting between them."),
    key("stage.dir", Text, "", "A local folder where rows wait to be published; empty is beside the dataset, or the state folder."),
    key("notify.command", List, "[]", "A program and its arguments, run after a run that did not end with 0; its receipt is on stdin."),
    key("notify.timeout", Text, "30s", "How long that program may take before it is ended."),
    key("notify.metrics_file", Text, "", "A file that gets the numbers of each run, for the node exporter's textfile collector; empty is none."),
];

impl Key {
    /// The part before the dot: `api` of `api.per_page`.
    #[must_use]
    pub fn section(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(section, _)| section)
    }

    /// The part behind the dot: `per_page` of `api.per_page`.
    #[must_use]
    pub fn field(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(_, field)| field)
    }

    /// The environment variable that sets it: `ROLLBOOK_API_PER_PAGE`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("ROLLBOOK_{}", self.name.replace('.', "_").to_uppercase())
    }
}

/// The row of the setting of this name; `None` where there is no such setting.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The sections in the order of the table.
pub(super) fn sections() -> Vec<&'static str> {
    let mut sections: Vec<_> = KEYS.iter().map(Key::section).collect();
    sections.dedup();
    sections
}

/// A settings file with every setting at its default: the text of `config/rollbook.toml`.
#[must_use]
pub fn example() -> String {
    let mut text = String::from(
        "# Every setting of rollbook, with its default.\n\
         #\n\
         # rollbook reads --config FILE, else $ROLLBOOK_CONFIG, else ./rollbook.toml, else\n\
         # ~/.config/rollbook/rollbook.toml. The environment (ROLLBOOK_<SECTION>_<KEY>, such as\n\
         # ROLLBOOK_API_PER_PAGE) wins over the file, and a flag over both. Durations are a whole number and\n\
         # a unit: 500ms, 30s, 5m, 2h, 3d. `rollbook config` shows what is in force and where it comes from.\n\
         # Credentials don't belong here: they come from the environment (VIDEOSDK_TOKEN).\n",
    );
    let mut section = "";
    for key in KEYS {
        if section != key.section() {
            section = key.section();
            let _ = writeln!(text, "\n[{section}]");
        }
        let quote = if key.form == Text { "\"" } else { "" };
        let _ = writeln!(text, "# {}\n{} = {quote}{}{quote}", key.doc, key.field(), key.default);
    }
    text
}

/// A settings file to begin with: these settings as they are given, every other one as a comment with its default.
#[must_use]
pub fn written(chosen: &[Override]) -> String {
    let mut text = String::from(
        "# The settings of rollbook, to begin with. A setting behind a `#` has its default; take the `#` away to change it.\n\
         # The environment (ROLLBOOK_<SECTION>_<KEY>) and flags win over this file. `rollbook config` shows what is in force.\n\
         # Credentials don't belong here: they come from the environment (VIDEOSDK_TOKEN, or VIDEOSDK_API_KEY with\n\
         # VIDEOSDK_SECRET_KEY). Keep this file writable for its owner alone.\n",
    );
    let mut section = "";
    for key in KEYS {
        if section != key.section() {
            section = key.section();
            let _ = writeln!(text, "\n[{section}]");
        }
        let given = chosen.iter().rev().find(|setting| setting.name == key.name);
        let (mark, value) = given.map_or(("# ", key.default), |setting| ("", setting.value.as_str()));
        // Texts of TOML are those of JSON, as far as these go.
        let value = if key.form == Text { serde_json::json!(value).to_string() } else { value.to_owned() };
        let _ = writeln!(text, "# {}\n{mark}{} = {value}", key.doc, key.field());
    }
    text
}

/// The known name nearest to a mistyped one, if one is near.
pub(super) fn nearest<T: AsRef<str>>(typed: &str, known: impl IntoIterator<Item = T>) -> Option<T> {
    let typed = typed.to_lowercase();
    let distances = known.into_iter().map(|name| (distance(&typed, &name.as_ref().to_lowercase()), name));
    let (distance, name) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= 2 && distance * 2 < typed.chars().count()).then_some(name)
}

/// Edit distance: the insertions, deletions and replacements that lead from one text to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, left) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, right) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(left != *right);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (from, to, expected) in [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("per_pag", "per_page", 1)]
        {
            assert_eq!(distance(from, to), expected);
            assert_eq!(distance(to, from), expected);
        }
    }

    #[test]
    fn the_table_is_in_order_and_free_of_doubles() {
        let mut names: Vec<_> = KEYS.iter().map(|key| key.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), KEYS.len());
        let mut distinct = sections();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), sections().len(), "a section is torn apart");
        assert!(KEYS.iter().all(|key| key.doc.ends_with('.') && key.name.split('.').count() == 2));
    }
}
