//! The wall clock, handed in: tokens carry the time and `Retry-After` may name one. Waits go by tokio's clock.

use std::sync::Arc;
use std::time::SystemTime;

/// A wall clock that `main` hands in, so that tests and repeated runs can set it.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    /// A clock that reads `now` whenever the time is asked for.
    pub fn new(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The time.
    pub fn now(&self) -> SystemTime {
        (self.0)()
    }
}
