//! Which of a dataset's paths are files, and which are folders. What is the other one ends a run when it comes there, so that a
//! survey must tell of it before.

use crate::rows::tables::Table;
use crate::stage::{ASIDE, STAGED};
use crate::store::Form;

/// The one file of a partition and table.
pub const PART: &str = "part-0.parquet";

/// What is at a path if anything is; `None` where that is nobody's business.
pub fn of(path: &str) -> Option<Form> {
    let names: Vec<_> = path.split('/').collect();
    match names[..] {
        ["_rollbook", ref own @ ..] => of_own(own),
        ["lake", ref lake @ ..] => of_lake(lake),
        [_, PART] | [_, _, PART] => Some(Form::File),
        [_, name] if name.starts_with("start_month=") || name.starts_with("start_date=") => Some(Form::Folder),
        _ => None,
    }
}

fn of_own(names: &[&str]) -> Option<Form> {
    match *names {
        ["lock" | "swap" | "state.json" | "erasures.json" | "gone.jsonl" | "unlisted.json"] => Some(Form::File),
        ["runs" | "publishing" | "rejects" | "stage" | "damaged"] | ["stage", ASIDE] => Some(Form::Folder),
        ["runs" | "publishing", name] if name.strip_suffix(".json").is_some() => Some(Form::File),
        ["rejects", name] if name.strip_suffix(".jsonl").is_some() => Some(Form::File),
        ["stage", name] | ["stage", ASIDE, name] if STAGED.contains(&name) => Some(Form::File),
        _ => None,
    }
}

fn of_lake(names: &[&str]) -> Option<Form> {
    let is_table = |name: &str| Table::ALL.iter().any(|table| table.name() == name);
    let is_named = |name: &str, end: &str| name.strip_suffix(end).is_some();
    match *names {
        ["current.json"] => Some(Form::File),
        [name] if is_table(name) || matches!(name, "snapshots" | "ended") => Some(Form::Folder),
        ["snapshots", name] if is_named(name, ".json") => Some(Form::File),
        [table, name] | [table, _, name] if is_table(table) && is_named(name, ".parquet") => Some(Form::File),
        [table, "_delta_log", name] if is_table(table) && is_named(name, ".json") => Some(Form::File),
        [table, name] if is_table(table) && (name == "_delta_log" || name.contains('=')) => Some(Form::Folder),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_folders_of_a_dataset_are_told_apart() {
        for (path, form) in [
            ("sessions/start_month=2026-11/part-0.parquet", Some(Form::File)),
            ("sessions/part-0.parquet", Some(Form::File)),
            ("sessions/start_month=2026-11", Some(Form::Folder)),
            ("sessions/start_date=2026-11-01", Some(Form::Folder)),
            ("sessions/notes", None),
            ("sessions/a/b/part-0.parquet", None),
            ("_rollbook/state.json", Some(Form::File)),
            ("_rollbook/runs", Some(Form::Folder)),
            ("_rollbook/runs/9.json", Some(Form::File)),
            ("_rollbook/runs/notes", None),
            ("_rollbook/rejects/9.jsonl", Some(Form::File)),
            ("_rollbook/stage", Some(Form::Folder)),
            ("_rollbook/stage/rows", Some(Form::File)),
            ("_rollbook/stage/aside", Some(Form::Folder)),
            ("_rollbook/stage/aside/rows", Some(Form::File)),
            ("_rollbook/part-0.parquet", None),
            ("lake/current.json", Some(Form::File)),
            ("lake/snapshots", Some(Form::Folder)),
            ("lake/snapshots/00000001.json", Some(Form::File)),
            ("lake/sessions/start_month=2026-11", Some(Form::Folder)),
            ("lake/sessions/start_month=2026-11/abc.parquet", Some(Form::File)),
            ("lake/sessions/abc.parquet", Some(Form::File)),
            ("lake/sessions/_delta_log", Some(Form::Folder)),
            ("lake/sessions/_delta_log/0.json", Some(Form::File)),
            ("lake/notes/abc.parquet", None),
        ] {
            assert_eq!(of(path), form, "{path}");
        }
    }
}
