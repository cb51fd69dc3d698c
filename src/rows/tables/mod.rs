//! The three tables: their columns, types and meaning, stated once.
//!
//! Schemas, the stage, `docs/schema.md` and the Parquet files all come from the lists here. A column is never
//! renamed, retyped or moved without a new [`SCHEMA_VERSION`]: other people's queries depend on them.

mod columns;
mod upgrade;

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};

/// Version of the columns and of the rules by which they are counted; stored in every file's metadata.
pub const SCHEMA_VERSION: u32 = 2;

/// All versions there were, and what is other since then than before.
const VERSIONS: [(u32, &str); 2] = [
    (1, "the first"),
    (
        2,
        "a timelog without an end counts up to the next join of its `participant_id`, and in a running session only the \
         latest join is present; the columns are the same",
    ),
];

/// How many leading columns of `participants` and `timelogs` repeat their session.
pub const PARENT_COLUMNS: usize = 4;

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

    /// The table's folder.
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
            Self::Sessions => columns::SESSIONS,
            Self::Participants => columns::PARTICIPANTS,
            Self::Timelogs => columns::TIMELOGS,
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

    /// The Arrow schema of the published table.
    pub fn schema(self) -> SchemaRef {
        static SCHEMAS: LazyLock<[SchemaRef; 3]> =
            LazyLock::new(|| Table::ALL.map(|table| schema_of(table.columns(), |kind| kind)));
        Arc::clone(&SCHEMAS[self as usize])
    }

    /// The Arrow schema in the stage.
    pub fn staged_schema(self) -> SchemaRef {
        static SCHEMAS: LazyLock<[SchemaRef; 3]> =
            LazyLock::new(|| Table::ALL.map(|table| schema_of(table.staged_columns(), Type::staged)));
        Arc::clone(&SCHEMAS[self as usize])
    }

    /// The columns in the stage: what repeats a row's session or participant, or follows from other columns, is not there.
    pub fn staged_columns(self) -> impl Iterator<Item = &'static Column> {
        let (repeated, following) = match self {
            Self::Sessions => (0, [].as_slice()),
            Self::Participants => (PARENT_COLUMNS, columns::FOLLOWING_OF_PARTICIPANTS),
            Self::Timelogs => (PARENT_COLUMNS, columns::FOLLOWING_OF_TIMELOGS),
        };
        self.columns()[repeated..].iter().filter(move |column| !following.contains(&column.name))
    }
}

/// A column: its name, type, whether it may be null, and what it says.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// As readers see it.
    pub name: &'static str,
    /// Its type.
    pub kind: Type,
    /// Whether null occurs.
    pub nullable: bool,
    /// One line for `docs/schema.md`.
    pub doc: &'static str,
}

/// The types in use; nanoseconds and unsigned numbers are not, since Spark refuses them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// UTF-8 text.
    Text,
    /// Microseconds since 1970, UTC-adjusted.
    Time,
    /// 32-bit count.
    Count,
    /// 64-bit milliseconds.
    Millis,
    /// 64-bit floating point.
    Double,
    /// True or false.
    Flag,
    /// A list of texts.
    Texts,
}

impl Type {
    /// The Arrow type.
    pub fn arrow(self) -> DataType {
        match self {
            Self::Text => DataType::Utf8,
            Self::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Count => DataType::Int32,
            Self::Millis => DataType::Int64,
            Self::Double => DataType::Float64,
            Self::Flag => DataType::Boolean,
            Self::Texts => DataType::List(Arc::new(Field::new("element", DataType::Utf8, false))),
        }
    }

    /// The type in the stage: lists of texts are sets of anomalies there, a bit each.
    #[must_use]
    pub const fn staged(self) -> Self {
        match self {
            Self::Texts => Self::Count,
            other => other,
        }
    }

    const fn doc(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Time => "timestamp (µs, UTC)",
            Self::Count => "int32",
            Self::Millis => "int64 (ms)",
            Self::Double => "double",
            Self::Flag => "boolean",
            Self::Texts => "list of strings",
        }
    }
}

fn schema_of<'a>(columns: impl IntoIterator<Item = &'a Column>, kind: impl Fn(Type) -> Type) -> SchemaRef {
    let field = |column: &Column| Field::new(column.name, kind(column.kind).arrow(), column.nullable);
    let fields = columns.into_iter().map(field);
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// `docs/schema.md`: every table and column, generated.
pub fn document() -> String {
    let mut text = format!(
        "# The tables (schema version {SCHEMA_VERSION})\n\nGenerated from `src/rows/tables/`; a test fails when this page is stale.\n"
    );
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
    #[test]
    fn the_schema_page_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/schema.md");
        let stored = std::fs::read_to_string(path).unwrap_or_default();
        assert!(stored == super::document(), "docs/schema.md is stale: cargo run --example schema > docs/schema.md");
    }
}
