//! How the simulated API behaves: everything the real one leaves open is a setting here.

use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;

use super::account::{Account, NOW};
use super::answered::{Answered, Number};
use super::list::List;
use super::script::Script;
use super::special::{During, On, Special};

/// The behaviour of one server. `Options { page_cap: Some(50), ..Options::new(account) }`.
#[derive(Clone)]
#[allow(clippy::struct_excessive_bools)] // each is a thing of its own
pub struct Options {
    /// The list at the start, in the order it was given.
    pub list: List,
    /// Whose requests are answered; all others get 401.
    pub auth: Auth,
    /// Rows a page where the request doesn't say.
    pub default_per_page: u32,
    /// The largest page; a larger `perPage` is cut to it, and the answer says so.
    pub page_cap: Option<u32>,
    /// The size of every page, whatever `perPage` says.
    pub one_page_size: Option<u32>,
    /// Whether `page` is ignored, so that every answer is the first page.
    pub ignore_page: bool,
    /// Whether filters are ignored, so that every answer is from the whole list.
    pub ignore_filter: bool,
    /// The number of the first page: 1 or 0.
    pub base: u64,
    /// What `page=0` answers where the first page is 1.
    pub page_zero: Answered,
    /// What a page behind the end answers.
    pub past_end: Answered,
    /// Requests that are answered otherwise; where several fit, the first.
    pub specials: Vec<Special>,
    /// What `total` says of the number of sessions, and whether it is true.
    pub total: Total,
    /// What `perPage` says of the size of pages, and whether it is true.
    pub per_page: Echo,
    /// What `lastPage` says of the number of pages, and whether it is true.
    pub last_page: LastPage,
    /// Whether there is a slash at the end of a path; requests without it, or with it, are redirected.
    pub slash: Option<Slash>,
    /// The server's clock, by which sessions begin and end. It stands still at the account's present unless it is
    /// another one.
    pub clock: Clock,
    /// What the header `Date` says, by which an exporter tells before from after.
    pub date: Date,
    /// Every so many-th session of the account is listed as a record that can't be read as a whole.
    pub reject_every: Option<u64>,
    /// How long each answer takes at least.
    pub latency: Duration,
    /// Requests a second, with a burst of one second's worth; above it 429 with `Retry-After`.
    pub rate_limit: Option<u32>,
    /// Whose requests are counted together for that.
    pub rate_limit_per: Per,
    /// Whether answers are compressed for clients that accept gzip.
    pub gzip: bool,
    /// Whether the JSON of all sessions is made once, at the start, so that a page costs no more than a slice of
    /// memory. Serves as long as the list is as it was at the start.
    pub prepared: bool,
    /// Ids of sessions that the list leaves out, though they are there.
    pub hidden: Vec<String>,
    /// What happens at which request: changes of the list, other answers.
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
            ignore_filter: false,
            base: 1,
            page_zero: Answered::First(Number::Own),
            past_end: Answered::Empty,
            specials: Vec::new(),
            total: Total::Exact,
            per_page: Echo::Honest,
            last_page: LastPage::Honest,
            slash: None,
            clock: Clock::new(|| NOW / 1_000_000),
            date: Date::System,
            reject_every: None,
            latency: Duration::ZERO,
            rate_limit: None,
            rate_limit_per: Per::Key,
            gzip: true,
            prepared: false,
            hidden: Vec::new(),
            script: Script::new(),
        }
    }

    /// Adds requests that are answered otherwise.
    #[must_use]
    pub fn special(mut self, on: On, during: During, answered: Answered) -> Self {
        self.specials.push(Special { on, during, answered });
        self
    }
}

/// A server over an account without sessions.
impl Default for Options {
    fn default() -> Self {
        Self::new(Account::new(0, 0, super::account::Shape::Plain))
    }
}

/// Whose requests a rate limit counts together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Per {
    /// Those with one token, whoever sends them.
    #[default]
    Key,
    /// Those of one connection.
    Connection,
}

/// Whose requests are answered; all others get 401.
#[derive(Clone, Default)]
pub enum Auth {
    /// Everyone, also without any token.
    #[default]
    Open,
    /// Whose `Authorization` is exactly this text.
    Token(String),
    /// Whose `Authorization` is an HS256 token signed with the secret, for this key, and not yet expired.
    Jwt {
        /// What the claim `apikey` must be.
        api_key: String,
        /// The secret that tokens are signed with.
        secret: String,
        /// By what the expiry of a token is held.
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

/// What `total` says of the number of sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Total {
    /// The number of sessions that the filter of the request lets through.
    #[default]
    Exact,
    /// There is no such field.
    Missing,
    /// Always 0, however many rows there are.
    Zero,
    /// The truth as a text.
    Text,
    /// Always -1, as a server that does not count may say.
    Negative,
    /// More than any account can have.
    Absurd,
    /// The truth and this much, which may be negative.
    Off(i64),
    /// Always this number, as a counter that is updated now and then.
    Stale(u64),
    /// The truth, but this number at most, as search engines count.
    Capped(u64),
}

/// What `perPage` says of the size of pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Echo {
    /// The size that is served.
    #[default]
    Honest,
    /// There is no such field.
    Missing,
    /// What was asked for, whatever is served.
    Asked,
    /// Always this number, whatever was asked for and served.
    Says(u64),
}

/// What `lastPage` says of the number of the last page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LastPage {
    /// The number of the last page.
    #[default]
    Honest,
    /// There is no such field.
    Missing,
    /// Always this number, whatever the size of pages.
    Says(u64),
    /// The number of the last page of a list of so many sessions.
    OfList(u64),
}

/// A slash at the end of a path, as a framework wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slash {
    /// Whether it must be there, or must not.
    pub wanted: bool,
    /// The status of the redirect, such as 301 or 308.
    pub status: u16,
}

/// What the header `Date` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Date {
    /// The time of this machine, as servers send it.
    #[default]
    System,
    /// There is no such header.
    Missing,
    /// The server's clock, off by so many seconds.
    Clock(i64),
}
