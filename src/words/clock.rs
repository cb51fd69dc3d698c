//! The wall clock, handed in: tokens carry the time and `Retry-After` may name one. Waits go by tokio's clock.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// A wall clock that `main` hands in, so that tests and repeated runs can set it.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    /// A clock that reads `now` whenever the time is asked for.
    pub fn new(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The time in microseconds since 1970, UTC.
    pub fn micros(&self) -> i64 {
        let since = self.now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    }

    /// The present, as `main` reads it off the system; a test's clock may say anything.
    pub fn now(&self) -> SystemTime {
        (self.0)()
    }
}
