//! The three tables: their columns, types and meaning, stated once.
//!
//! Schemas, the stage, `docs/schema.md` and the Parquet files all come from the declarations in `columns`. A column is never
//! renamed, retyped or moved without a new [`SCHEMA_VERSION`]: other people's queries depend on them.

mod by_table;
mod columns;
mod kinds;
mod origin;
mod upgrade;

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

use arrow_schema::{Field, Schema, SchemaRef};

pub use by_table::Tables;
pub use columns::{Computed, participants, sessions, timelogs};
pub use kinds::{Type, Typed, text, time};
pub use origin::Origin;

/// Version of the columns and of the rules by which they are counted; stored in every file's metadata.
pub const SCHEMA_VERSION: u32 = 2;

/// All versions there were, and what is other since then than before.
const VERSIONS: [(u32, &str); 2] = [
    (1, "the first"),
    (
        2,
        "a timelog without an end counts up to the next join of its `participant_id`, and in a running session only the \
         latest join is present; `person` and `person_count` are new",
    ),
];

/// How many leading columns of `participants` and `timelogs` repeat their session.
pub const PARENT_COLUMNS: usize = {
    let mut columns = 0;
    while matches!(participants::COLUMNS[columns].origin, Origin::Session) {
        columns += 1;
    }
    columns
};

/// One of the three tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// One row a session.
    Sessions,
    /// One row an entry in a session's list of participants.
    Participants,
    /// One row a join-leave interval.
    Timelogs,
}

impl Table {
    /// All tables; a published session comes before its participants, those before their timelogs.
    pub const ALL: [Self; 3] = [Self::Sessions, Self::Participants, Self::Timelogs];

    /// The table's name, and that of its folder in the dataset: `sessions`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Participants => "participants",
            Self::Timelogs => "timelogs",
        }
    }

    /// The columns in order.
    pub const fn columns(self) -> &'static [Column] {
        match self {
            Self::Sessions => sessions::COLUMNS,
            Self::Participants => participants::COLUMNS,
            Self::Timelogs => timelogs::COLUMNS,
        }
    }

    /// The names of the columns that order the rows and together are unique.
    pub const fn sort_columns(self) -> &'static [&'static str] {
        match self {
            Self::Sessions => &["started_at", "session_id"],
            Self::Participants => &["session_started_at", "session_id", "participant_index"],
            Self::Timelogs => &["session_started_at", "session_id", "participant_index", "timelog_index"],
        }
    }

    /// The column with the start by which rows are cut into partitions; the first that orders them.
    pub const fn start_column(self) -> &'static str {
        self.sort_columns()[0]
    }

    /// The Arrow schema of the published table.
    pub fn schema(self) -> SchemaRef {
        static SCHEMAS: LazyLock<Tables<SchemaRef>> = LazyLock::new(|| {
            let field = |column: &Column| Field::new(column.name, column.kind.arrow(), column.nullable);
            Tables::from_fn(|table| schema_of(table.columns().iter().map(field)))
        });
        Arc::clone(&SCHEMAS[self])
    }

    /// The Arrow schema in the stage.
    pub fn staged_schema(self) -> SchemaRef {
        static SCHEMAS: LazyLock<Tables<SchemaRef>> = LazyLock::new(|| {
            let nullable = |column: &Column| column.nullable || column.origin.may_wait();
            let field = |column: &Column| Field::new(column.name, column.kind.staged().arrow(), nullable(column));
            Tables::from_fn(|table| schema_of(table.staged_columns().map(field)))
        });
        Arc::clone(&SCHEMAS[self])
    }

    /// The columns in the stage: what repeats a row's session or participant, or follows from other columns, is not there.
    pub fn staged_columns(self) -> impl Iterator<Item = &'static Column> {
        self.columns().iter().filter(|column| column.origin.is_staged())
    }
}

/// A column: its name, type, whether it may be null, where its values come from, and what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// The column's name in files and queries, such as `attended_ms`.
    pub name: &'static str,
    /// The type of the column's values in the published files; staged ones may have another ([`Type::staged`]).
    pub kind: Type,
    /// Whether the column may hold nulls.
    pub nullable: bool,
    /// Where its values come from.
    pub origin: Origin,
    /// The first schema version that has the column.
    pub since: u32,
    /// What the column says, in one line for `docs/schema.md`.
    pub doc: &'static str,
}

impl Column {
    const fn new<T: Typed>(name: &'static str, origin: Origin, doc: &'static str) -> Self {
        Self { name, kind: T::TYPE, nullable: T::NULLABLE, origin, since: 1, doc }
    }

    const fn since(self, since: u32) -> Self {
        Self { since, ..self }
    }
}

fn schema_of(fields: impl Iterator<Item = Field>) -> SchemaRef {
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// What a reader must know before the first query.
const READING: &str = "
## Reading the files

| `dataset.partition_by` | files of a table | partition column |
|---|---|---|
| `month` (default) | `<dataset>/sessions/*/*.parquet` | `start_month`, text such as `2026-11` |
| `day` | `<dataset>/sessions/*/*.parquet` | `start_date`, a date such as `2026-11-23` |
| `none` | `<dataset>/sessions/*.parquet` | none |

- The partition is the month or day of the **session's** start, in UTC, in all three tables. A condition on the partition column
  makes a query read fewer files.
- The partition `start_month=1970-01` (`start_date=1970-01-01`) is always there and usually empty. It holds sessions without a start;
  `WHERE started_at IS NOT NULL` leaves them out.
- **Running sessions** (`is_open`) are as they were at `observed_at`, when the API last listed them. `attended_ms`, `gross_ms`,
  `occupied_ms` and `total_attended_ms` count what is closed so far, so they grow from night to night; people who are present
  (`is_present`, `last_left_at` null) do not add to them yet. `peak_participants`, `participant_count` and `person_count` count those
  who are present, too. `observed_at` is null once a session has ended.
- Where a purge has taken entries out of a session, `participant_index` has gaps: the others keep their positions.
- A participant's time in a session is `attended_ms`; a person's time is the union over all rows of that `person`, never their sum.
";

/// `docs/schema.md`: every table and column, generated.
pub fn document() -> String {
    let mut text = format!(
        "# The tables (schema version {SCHEMA_VERSION})\n\nGenerated from `src/rows/tables/`; a test fails when this page is stale.\n"
    );
    text.push_str(READING);
    for table in Table::ALL {
        let _ = write!(text, "\n## `{}`\n\n", table.name());
        let _ = writeln!(text, "Sorted by `{}`.\n", table.sort_columns().join("`, `"));
        text.push_str("| column | type | null | meaning |\n|---|---|---|---|\n");
        for column in table.columns() {
            let null = if column.nullable { "yes" } else { "never" };
            let _ = writeln!(text, "| `{}` | {} | {null} | {} |", column.name, column.kind.doc(), column.doc);
        }
    }
    text.push_str("\n## `anomalies`\n\n| value | meaning |\n|---|---|\n");
    for anomaly in crate::rows::anomaly::Anomaly::ALL {
        let _ = writeln!(text, "| `{}` | {} |", anomaly.name(), anomaly.doc());
    }
    text.push_str("\n## Versions\n\nA dataset of an older version is upgraded by the next export or purge.\n\n");
    text.push_str("| version | new in it |\n|---|---|\n");
    for (version, what) in VERSIONS {
        let _ = writeln!(text, "| {version} | {what} |");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_child_row_repeats_has_the_same_place_in_its_session() {
        let is_repeated = |column: &&Column| column.origin == Origin::Session;
        for table in [Table::Participants, Table::Timelogs] {
            assert_eq!(table.columns().iter().filter(is_repeated).count(), PARENT_COLUMNS);
            for (child, session) in table.columns().iter().zip(sessions::COLUMNS).take(PARENT_COLUMNS) {
                let of_session = child.name == session.name || child.name == format!("session_{}", session.name);
                assert!(of_session && (child.kind, child.nullable) == (session.kind, session.nullable), "{child:?}");
            }
        }
    }

    #[test]
    fn each_column_stands_once_in_its_table_and_those_that_order_it_are_there() {
        for table in Table::ALL {
            let mut names: Vec<_> = table.columns().iter().map(|column| column.name).collect();
            assert!(table.sort_columns().iter().all(|name| names.contains(name)), "{}", table.name());
            names.sort_unstable();
            assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
        }
    }

    #[test]
    fn the_schema_page_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/schema.md");
        if std::fs::read_to_string(path).unwrap_or_default() != super::document() {
            std::fs::write(path, super::document()).unwrap();
            panic!("docs/schema.md was stale and has been written anew: commit it");
        }
    }
}
