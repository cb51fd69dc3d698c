//! Asks for sessions one by one, and says what each answer is worth.
//!
//! "Not found" alone shows nothing: a wrong path answers so for every id. It counts only beside a control, a session that
//! this walk has listed and that is answered by its id. The same goes for failures that are to be held against one session.

use std::error::Error as _;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::drive::Source;
use crate::api::{Body, Filter, Share, Single};
use crate::commands::joined;
use crate::error::{Error, Kind, Result};
use crate::list::{Request, Window};
use crate::rows::flatten::{self, Flat};
use crate::words::id;
use crate::words::stop::Stop;

/// Listed sessions that are tried as a control: one may be deleted at this very moment.
const CONTROLS: usize = 5;
/// Controls that may fail otherwise than by not being found, each with all its attempts.
const FAILING_CONTROLS: usize = 2;

/// Why a session was not asked for.
const LATE: &str = "not asked for: the look-ups that failed before had taken too long";
const CAPPED: &str = "not asked for: as many requests were sent as `api.max_requests` allows";

/// What it takes to ask for sessions by their ids: where from, how many at once, for how long.
pub struct Asking<'a> {
    pub source: &'a Source,
    pub stop: &'a Stop,
    /// Ids that this walk has listed, the latest last.
    pub listed: Vec<String>,
    /// How many requests may be in flight at once.
    pub concurrency: usize,
    /// Time that look-ups which fail may take, by the clock on the wall.
    pub patience: Duration,
    /// How many sessions the page has by which a refused token is tried on the list.
    pub per_page: u32,
}

/// What a session that was asked for is.
#[derive(Debug)]
pub enum Fate {
    /// There. One that started earlier than what is kept has no row.
    There {
        /// Whether the session got a row.
        has_row: bool,
    },
    /// Gone, in the API's own words.
    Gone(String),
    /// Not known: the look-up failed with this status, if with any, and for this reason.
    Unanswered(Option<u16>, String),
}

/// Whether a listed session was answered by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// It was not needed: every session that was asked for is there.
    Unneeded,
    /// A listed session was answered by its id, so that "not found" means that a session is gone.
    Answered,
    /// None of the listed sessions that were tried was answered, so that "not found" shows nothing.
    Unanswered,
    /// The walk has listed no session that could be tried.
    Missing,
}

impl Control {
    /// The name that the receipt has for it: `answered`; `None` where no control was needed.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Unneeded => None,
            Self::Answered => Some("answered"),
            Self::Unanswered => Some("not_answered"),
            Self::Missing => Some("none_listed"),
        }
    }
}

/// What became of the sessions that were asked for by their ids.
pub struct Asked {
    /// How many sessions were asked for before the time was up.
    pub count: u64,
    /// Each of them, and those for which no time was left.
    pub fates: Vec<(String, Fate)>,
    /// Whether a listed session was answered by its id, without which "not found" shows nothing.
    pub control: Control,
}

/// What one session's own answer was; `T`: what is known of one that is there.
enum Look<T> {
    There(T),
    NotFound { status: u16, message: String },
}

/// A session's rows, and the memory that they take.
type Rows = (Box<Flat>, Share);

/// What becomes of rows, at once: all of them together may be more than fit into memory.
pub type Keep<'k> = &'k mut (dyn FnMut(Flat) -> Result<()> + Send);

impl Asking<'_> {
    /// Asks for all of them; the rows of those that are there are kept as they come.
    ///
    /// # Errors
    /// `Credentials` where the token is refused for the list as well; a signal; those of keeping.
    pub async fn all(&self, ids: Vec<String>, keep: Keep<'_>) -> Result<Asked> {
        tokio::select! {
            biased;
            stopped = self.stop.wait() => Err(stopped),
            asked = self.work(ids, keep) => asked,
        }
    }

    async fn work(&self, ids: Vec<String>, keep: Keep<'_>) -> Result<Asked> {
        let (looks, left) = self.looks(ids, keep).await?;
        let is_capped = looks.iter().any(|(_, look)| look.as_ref().is_err_and(|error| error.kind() == Kind::Capped));
        let needs_control = !left.is_empty() || looks.iter().any(|(_, look)| !matches!(look, Ok(Look::There(_))));
        // Where nothing may be asked for any more, a control would fail, and show nothing.
        let control = if needs_control && !is_capped { self.control().await } else { Control::Unneeded };
        let refused = |look: &Result<Look<bool>>| look.as_ref().is_err_and(|error| error.kind() == Kind::Credentials);
        if control != Control::Answered && looks.iter().any(|(_, look)| refused(look)) {
            self.refuse_unless_let_in().await?;
        }
        let count = looks.len() as u64;
        let mut fates: Vec<_> = looks.into_iter().map(|(id, look)| (id, fate(look, control))).collect();
        let late = if is_capped { CAPPED } else { LATE };
        fates.extend(left.into_iter().map(|id| (id, Fate::Unanswered(None, late.to_owned()))));
        Ok(Asked { count, fates, control })
    }

    /// Looks at each; returns also those for which no time was left. Only failures cost of it, each for as long as it took.
    #[allow(clippy::type_complexity)] // ids and what became of them
    async fn looks(
        &self,
        ids: Vec<String>,
        keep: Keep<'_>,
    ) -> Result<(Vec<(String, Result<Look<bool>>)>, Vec<String>)> {
        let lanes = self.concurrency.max(1);
        let mut patience = self.patience.saturating_mul(u32::try_from(lanes).unwrap_or(u32::MAX));
        let (mut waiting, mut flights, mut looks) = (ids.into_iter(), JoinSet::new(), Vec::new());
        loop {
            while flights.len() < lanes && !patience.is_zero() {
                let Some(id) = waiting.next() else { break };
                let source = self.source.clone();
                flights.spawn(async move {
                    let begun = Instant::now();
                    let look = source.look(&id).await;
                    (id, look, begun.elapsed())
                });
            }
            let Some(landed) = flights.join_next().await else { break };
            let (id, look, took) = joined(landed)?;
            if let Err(error) = &look {
                let is_over = error.kind() == Kind::Capped;
                patience = if is_over { Duration::ZERO } else { patience.saturating_sub(took) };
            }
            let look = match look {
                Ok(Look::There((flat, _share))) => {
                    let has_row = !flat.entries.is_empty();
                    keep(*flat)?;
                    Ok(Look::There(has_row))
                }
                Ok(Look::NotFound { status, message }) => Ok(Look::NotFound { status, message }),
                Err(error) => Err(error),
            };
            looks.push((id, look));
        }
        Ok((looks, waiting.collect()))
    }

    async fn control(&self) -> Control {
        if self.listed.is_empty() {
            return Control::Missing;
        }
        let mut failed = 0;
        for id in self.listed.iter().rev().take(CONTROLS) {
            match self.source.look(id).await {
                Ok(Look::There(_)) => return Control::Answered,
                Ok(Look::NotFound { status, .. }) => tracing::debug!(id, status, "a listed session is not found by id"),
                Err(error) => {
                    tracing::debug!(id, %error, "a listed session can't be asked for by id");
                    failed += 1;
                }
            }
            if failed == FAILING_CONTROLS {
                break;
            }
        }
        Control::Unanswered
    }

    /// A token that is refused for single sessions alone may lack the right to them; one that is refused for the list is
    /// no good any more.
    async fn refuse_unless_let_in(&self) -> Result<()> {
        let first = Request::documented(Window { size: self.per_page, page: 1 }, 1);
        match self.source.client.list(first, &Filter::default()).await {
            Err(error) if error.kind() == Kind::Credentials => Err(error),
            _ => Ok(()),
        }
    }
}

fn fate(look: Result<Look<bool>>, control: Control) -> Fate {
    match look {
        Ok(Look::There(has_row)) => Fate::There { has_row },
        Ok(Look::NotFound { status, message }) => {
            let said = if message.is_empty() { status.to_string() } else { format!("{status}: {message}") };
            if control == Control::Answered { Fate::Gone(said) } else { Fate::Unanswered(Some(status), said) }
        }
        Err(error) => {
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            Fate::Unanswered(error.status(), format!("{error}{cause}"))
        }
    }
}

/// Bytes of an answer from which is told what it was, should it be no session.
const QUOTED: usize = 4096;

impl Source {
    async fn look(&self, id: &str) -> Result<Look<Rows>> {
        let Body { bytes, mut share, .. } = match self.client.session(id).await? {
            Single::Found(body) => body,
            Single::Refused { status, message } => return Ok(Look::NotFound { status, message }),
        };
        let options = self.options();
        let options = flatten::Options { limits: options.limits.single(), ..options };
        // A copy, since flattening lets go of the rest as soon as it can.
        let beginning = bytes[..bytes.len().min(QUOTED)].to_vec();
        let failed = |what: &str| {
            let begins = format!("it begins with: {}", self.client.quote(&beginning));
            Error::new(Kind::Contract, format!("the answer is {what}: {id}")).because(begins).answered(Some(200))
        };
        share.grow_to(flatten::weight(&bytes, &options.limits)).await;
        let flat = flatten::page(bytes, &options).map_err(|_| failed("not a session"))?;
        match flat.listed.first() {
            Some(listed) if listed.id == id::hash(id) => {
                share.shrink_to(flat.memory());
                Ok(Look::There((Box::new(flat), share)))
            }
            Some(_) => Err(failed("another session")),
            None => Err(failed("not a session")),
        }
    }
}
