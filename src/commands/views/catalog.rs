//! The views: names, columns and rules are a contract, which `docs/queries.md` tells.

/// A view over the dataset.
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// Its name, such as `attendance`.
    pub name: &'static str,
    /// What a row of it is, in one sentence: it becomes the view's comment.
    pub row: &'static str,
    /// What it selects, with the pieces of [`super::dialect`] in it.
    pub sql: &'static str,
}

/// All of them, each behind those that it is made of. The records come last: who may read the tables only gets all the others.
pub const VIEWS: [View; 13] = [
    View { name: "sessions", row: "A row is a session.", sql: "SELECT * FROM {table: sessions}\n" },
    View {
        name: "participants",
        row: "A row is an entry in the list of participants of a session.",
        sql: "SELECT * FROM {table: participants}\n",
    },
    View {
        name: "timelogs",
        row: "A row is an interval from join to leave of a participant.",
        sql: "SELECT * FROM {table: timelogs}\n",
    },
    View {
        name: "attendance",
        row: "A row is a person in a session. Time in which the person was there twice counts once.",
        sql: include_str!("sql/attendance.sql"),
    },
    View {
        name: "people",
        row: "A row is a person, over all sessions. Who is present was last seen when the session was.",
        sql: include_str!("sql/people.sql"),
    },
    View {
        name: "meetings",
        row: "A row is a meeting, over all its sessions, with one row without an id for sessions without a meeting.",
        sql: include_str!("sql/meetings.sql"),
    },
    View {
        name: "daily",
        row: "A row is a day in {zone}, by the start of its sessions, with one row without a day for sessions without a start.",
        sql: include_str!("sql/daily.sql"),
    },
    View {
        name: "presence",
        row: "A row is a moment at which the number of people in a session changes, and how many are there from then on. Who is \
              present counts until the session was last seen.",
        sql: include_str!("sql/presence.sql"),
    },
    View {
        name: "concurrency",
        row: "A row is an hour in {zone} in which a session runs, with how many run and how many people are there at most at one moment. \
              What has not ended counts until it was last seen.",
        sql: include_str!("sql/concurrency.sql"),
    },
    View {
        name: "open_sessions",
        row: "A row is a session without an end, with the people who were there when it was last seen.",
        sql: include_str!("sql/open_sessions.sql"),
    },
    View {
        name: "anomaly_counts",
        row: "A row is an anomaly in a table, and in how many rows it is, excluded ones too.",
        sql: include_str!("sql/anomaly_counts.sql"),
    },
    View { name: "runs", row: "A row is a run of rollbook, by its receipt.", sql: include_str!("sql/runs.sql") },
    View {
        name: "gone",
        row: "A row is a session that the API no longer knows. Its rows stay in the tables.",
        sql: include_str!("sql/gone.sql"),
    },
];
