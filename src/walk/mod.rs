//! The walk over the list: which windows to ask for, and what their answers prove. Pure: no I/O, no clock.

mod forward;

pub use forward::{Broken, Forward};

/// One request of the list: page `page`, the first being 1, at `size` rows a page;
/// so positions `[(page - 1) * size, page * size)` of the list as it is when the server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Window {
    /// Rows a page.
    pub size: u32,
    /// Number of the page, from 1.
    pub page: u64,
}

impl Window {
    /// Position of the first row asked for, from 0.
    #[must_use]
    pub const fn offset(self) -> u64 {
        (self.page - 1) * self.size as u64
    }
}

/// One listed session, as the walk needs to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Listed {
    /// 128-bit hash of the session's id.
    pub id: u128,
    /// Start in microseconds since 1970, UTC; `None` where missing or unreadable.
    pub start: Option<i64>,
}

/// What the server said of the page, each field only where present and readable (a number, or text that is one).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PageInfo {
    /// `currentPage`
    pub current_page: Option<i64>,
    /// `perPage`
    pub per_page: Option<i64>,
    /// `lastPage`
    pub last_page: Option<i64>,
    /// `total`
    pub total: Option<i64>,
}

/// The answer to one request for a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What was asked.
    pub window: Window,
    /// What came back.
    pub outcome: Outcome,
}

/// What came back for a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A page of the documented shape.
    Page {
        /// The server's own words on it.
        info: PageInfo,
        /// Its records in list order. A record without a usable id has none here and counts in `unusable`.
        rows: Vec<Listed>,
        /// Records without a usable id.
        unusable: u64,
    },
    /// A final 400 or 404, which some servers answer behind the end of the list.
    Refused {
        /// The HTTP status.
        status: u16,
    },
}

/// A window to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// What to ask.
    pub window: Window,
    /// Whether a 400 or 404 is an answer (it may lie behind the end of the list) and not a failure.
    pub probe: bool,
}

/// How strongly a run can show that nothing is missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Evidence {
    /// Not at all.
    None,
    /// As many different sessions as one constant total says.
    Total,
}

/// What a walk showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// How strong it is.
    pub evidence: Evidence,
    /// Its ground, or what speaks against it, in plain words.
    pub reasons: Vec<String>,
    /// Answers used.
    pub requests: u64,
    /// The list's length by its own account.
    pub total: Option<u64>,
}
