//! How many requests have gone out, each attempt counted, and how many may.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::error::{Error, Kind};

/// What a client has asked for so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// Requests that went out, each attempt counted.
    pub requests: u64,
    /// How many of these were further attempts at a request that had failed.
    pub retries: u64,
}

/// The counters of a client, and the end of its patience.
pub(super) struct Quota {
    requests: AtomicU64,
    retries: AtomicU64,
    most: u64,
}

impl Quota {
    /// So many requests may go out; any number if that is 0.
    pub const fn new(most: u64) -> Self {
        Self { requests: AtomicU64::new(0), retries: AtomicU64::new(0), most }
    }

    /// Takes one request out of those that may still go out.
    ///
    /// # Errors
    /// [`Kind::Capped`] where there is none left.
    pub fn take(&self, is_retry: bool) -> Result<(), Error> {
        let most = if self.most == 0 { u64::MAX } else { self.most };
        let taken = self.requests.fetch_update(Relaxed, Relaxed, |sent| (sent < most).then_some(sent + 1));
        taken.map_err(|_| capped(self.most))?;
        if is_retry {
            self.retry();
        }
        Ok(())
    }

    /// Notes that the next request is a further attempt.
    pub fn retry(&self) {
        self.retries.fetch_add(1, Relaxed);
    }

    /// What has gone out so far.
    pub fn used(&self) -> Used {
        Used { requests: self.requests.load(Relaxed), retries: self.retries.load(Relaxed) }
    }
}

fn capped(most: u64) -> Error {
    Error::new(Kind::Capped, format!("no more requests may be sent, since `api.max_requests` allows: {most}"))
        .hint("run the same command again, which goes on from where this run was, or raise `api.max_requests`")
}
