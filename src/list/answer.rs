//! The server's word on a request.

use super::listed::Listed;
use super::request::Request;

/// What the server said of the page, each field only where present and readable (a number, or text that is one).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PageInfo {
    /// `currentPage`: the page's number as the server counts, from 0 or from 1.
    pub current_page: Option<i64>,
    /// `perPage`: sessions a page, by the server's word; a server that caps pages may repeat the number that was
    /// asked for.
    pub per_page: Option<i64>,
    /// `lastPage`: the number of the last page in this size.
    pub last_page: Option<i64>,
    /// `total`: sessions in the whole list, at the moment of the answer.
    pub total: Option<i64>,
}

/// The answer to one request, as whoever asked hands it to the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The request that this answers, by which it is told from the others in flight.
    pub request: Request,
    /// What came: a page, nothing, or no word on the list.
    pub outcome: Outcome,
}

/// The server's word on a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A page of the documented shape: `data` (also `null`), or at least `pageInfo`.
    Page {
        /// The server's own words on the page.
        info: PageInfo,
        /// Its records in list order. A record without a usable id has none here and counts in `unusable`.
        rows: Vec<Listed>,
        /// Records without a usable id, which the list counts all the same.
        unusable: u64,
        /// The server's `Date`, in microseconds since 1970; `None` where that is missing.
        at: Option<i64>,
    },
    /// 400, 404, 410, 416 or 422: the server says that nothing is there, or refuses.
    Nothing {
        /// The HTTP status, such as 404.
        status: u16,
    },
    /// Everything else: no word on the list at all.
    Silent(Silence),
    /// A wrong token was refused with 401 or 403.
    Denied,
}

/// A failure that says nothing of the list; two that are equal are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Silence {
    /// Another status than those of [`Outcome::Nothing`].
    Status(u16),
    /// `{}`, or no body at all.
    Bare,
    /// A body of another shape than a page of sessions: a login page, an error in JSON.
    Shape,
    /// Nothing came within `api.read_timeout` or `api.request_timeout`.
    Late,
    /// The connection failed: refused, reset, or broken off amid the body.
    Broken,
}
