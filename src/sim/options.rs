//! How the simulated API behaves: everything the real one leaves open is a setting here.

use std::sync::Arc;
use std::time::Duration;

use super::account::Account;
use super::list::List;
use super::script::Script;

/// The behaviour of one server. `Options { page_cap: Some(50), ..Options::new(account) }`.
#[derive(Clone)]
pub struct Options {
    /// The list at the start, in the order it was given.
    pub list: List,
    /// Who is let in.
    pub auth: Auth,
    /// Rows a page where the request doesn't say.
    pub default_per_page: u32,
    /// The largest page; a larger `perPage` is cut to it, and the answer says so.
    pub page_cap: Option<u32>,
    /// The size of every page, whatever `perPage` says.
    pub one_page_size: Option<u32>,
    /// Whether `page` is ignored, so that every answer is the first page.
    pub ignore_page: bool,
    /// What a page behind the end answers.
    pub past_end: PastEnd,
    /// What `page=0` means.
    pub page_zero: PageZero,
    /// What `total` says.
    pub total: Total,
    /// How long each answer takes at least.
    pub latency: Duration,
    /// Requests a second, with a burst of one second's worth; above it 429 with `Retry-After`.
    pub rate_limit: Option<u32>,
    /// Whether answers are compressed for clients that accept gzip.
    pub gzip: bool,
    /// Whether the JSON of all sessions is made once, at the start, so that a page costs no more than a slice of
    /// memory. Serves as long as the list is as it was at the start.
    pub prepared: bool,
    /// Whether a path without a slash at its end is redirected (301) to the same with one, the query included.
    pub wants_slash: bool,
    /// Ids of sessions that the list leaves out, though they are there.
    pub hidden: Vec<String>,
    /// What happens at which request.
    pub script: Script,
}

impl Options {
    /// A server without surprises, and without authentication, over this list or account.
    pub fn new(list: impl Into<List>) -> Self {
        Self {
            list: list.into(),
            auth: Auth::Open,
            default_per_page: 20,
            page_cap: None,
            one_page_size: None,
            ignore_page: false,
            past_end: PastEnd::Empty,
            page_zero: PageZero::AsFirst,
            total: Total::Exact,
            latency: Duration::ZERO,
            rate_limit: None,
            gzip: true,
            prepared: false,
            wants_slash: false,
            hidden: Vec::new(),
            script: Script::new(),
        }
    }
}

/// An account without sessions.
impl Default for Options {
    fn default() -> Self {
        Self::new(Account::new(0, 0, super::account::Shape::Plain))
    }
}

/// Who is let in.
#[derive(Clone, Default)]
pub enum Auth {
    /// Everyone.
    #[default]
    Open,
    /// Whose `Authorization` is exactly this text.
    Token(String),
    /// Whose `Authorization` is an HS256 token signed with the secret, for this key, and not yet expired.
    Jwt {
        /// The claim `apikey`.
        api_key: String,
        /// The key of the signature.
        secret: String,
        /// The server's clock.
        clock: Clock,
    },
}

/// A clock handed in: seconds since 1970.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> i64 + Send + Sync>);

impl Clock {
    /// A clock that reads this function.
    pub fn new(now: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    pub(super) fn now(&self) -> i64 {
        (self.0)()
    }
}

/// What a page behind the end answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PastEnd {
    /// 200 and no rows.
    #[default]
    Empty,
    /// 404.
    NotFound404,
    /// 400.
    BadRequest400,
    /// The last page again, under its own number.
    LastPage,
}

/// What `page=0` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PageZero {
    /// The same as `page=1`.
    #[default]
    AsFirst,
    /// A mistake, 400.
    Error400,
    /// The first page; `page=1` is the second.
    ZeroBased,
}

/// What `total` says of the number of sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Total {
    /// The truth.
    #[default]
    Exact,
    /// There is no such field.
    Missing,
    /// Always 0.
    Zero,
    /// The truth as a text.
    Text,
    /// -1.
    Negative,
    /// More than any account can have.
    Absurd,
    /// Off by this much.
    Off(i64),
    /// Always this number, as a counter that is updated now and then.
    Stale(u64),
}
