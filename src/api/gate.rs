//! When the next request may go out: one gate for all requests of a client, in the order they arrive.
//!
//! It keeps the set rate, closes for all when the server asks one request to wait, and after a 429 spaces requests out:
//! twice as far each time, a sixteenth closer with each success. So a client that is too fast for the server settles
//! near the server's own limit instead of spending its attempts against it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// The spacing after the first 429 at least, and after any number of them at most.
const SPACING: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(10));

/// The gate. Waiting at it is no one request's fault, so that time is not charged to a request's budget.
pub(super) struct Gate {
    turn: tokio::sync::Mutex<()>,
    pace: Mutex<Pace>,
}

impl Gate {
    /// A gate that lets one request through each `spacing`; zero is no limit.
    pub fn new(spacing: Duration) -> Self {
        Self { turn: tokio::sync::Mutex::new(()), pace: Mutex::new(Pace::new(spacing, Instant::now())) }
    }

    /// Waits for this request's turn and returns the time at which it goes out.
    pub async fn pass(&self) -> Instant {
        let _turn = self.turn.lock().await;
        loop {
            let now = Instant::now();
            // The guard must be gone before the wait.
            let refused = self.pace().enter(now);
            match refused {
                Ok(()) => return now,
                Err(open_at) => sleep_until(open_at).await,
            }
        }
    }

    /// Nothing goes out for `wait` from now.
    pub fn close_for(&self, wait: Duration) {
        self.pace().close_until(Instant::now() + wait);
    }

    /// A request that went out at `sent` came too fast.
    pub fn slow_down(&self, sent: Instant) {
        self.pace().slow_down(sent, Instant::now());
    }

    /// A request was answered in good order: the next may follow a sixteenth closer.
    pub fn ease(&self) {
        self.pace().ease();
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The gate's rule, without a clock.
struct Pace {
    set: Duration,
    spacing: Duration,
    open_at: Instant,
    slowed_at: Instant,
}

impl Pace {
    const fn new(set: Duration, now: Instant) -> Self {
        Self { set, spacing: set, open_at: now, slowed_at: now }
    }

    /// Lets a request through, or says when to come back.
    fn enter(&mut self, now: Instant) -> Result<(), Instant> {
        if now < self.open_at {
            return Err(self.open_at);
        }
        self.open_at = now + self.spacing;
        Ok(())
    }

    fn close_until(&mut self, time: Instant) {
        self.open_at = self.open_at.max(time);
    }

    /// Requests that were under way together count once.
    fn slow_down(&mut self, sent: Instant, now: Instant) {
        if sent >= self.slowed_at {
            self.spacing = (self.spacing * 2).clamp(SPACING.0, SPACING.1).max(self.set);
            self.slowed_at = now;
        }
    }

    fn ease(&mut self) {
        if self.spacing > self.set {
            let closer = self.spacing * 15 / 16;
            // Below a millisecond the timer can't follow.
            self.spacing = if closer < Duration::from_millis(1) { self.set } else { closer.max(self.set) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// Milliseconds after `start` at which requests pass that come back exactly when they are told to.
    fn passes(pace: &mut Pace, start: Instant, requests: usize) -> Vec<u128> {
        let mut now = start;
        let mut pass = || {
            while let Err(open_at) = pace.enter(now) {
                now = open_at;
            }
            now.duration_since(start).as_millis()
        };
        (0..requests).map(|_| pass()).collect()
    }

    #[test]
    fn keeps_the_set_rate() {
        let start = Instant::now();
        assert_eq!(passes(&mut Pace::new(Duration::ZERO, start), start, 5), [0; 5]);
        assert_eq!(passes(&mut Pace::new(ms(100), start), start, 4), [0, 100, 200, 300]);
    }

    #[test]
    fn closes_for_the_longest_wait() {
        let start = Instant::now();
        let mut pace = Pace::new(Duration::ZERO, start);
        pace.close_until(start + ms(3000));
        pace.close_until(start + ms(1000));
        assert_eq!(passes(&mut pace, start, 3), [3000; 3]);
    }

    #[test]
    fn spaces_out_once_for_requests_under_way_together_and_recovers() {
        let start = Instant::now();
        let mut pace = Pace::new(Duration::ZERO, start);
        (0..8).for_each(|_| pace.slow_down(start, start + ms(1)));
        assert_eq!(passes(&mut pace, start + ms(1), 3), [0, 50, 100]);
        pace.slow_down(start + ms(2), start + ms(200));
        assert_eq!(passes(&mut pace, start + ms(200), 3), [0, 100, 200]);
        (0..100).for_each(|_| pace.ease());
        assert_eq!(passes(&mut pace, start + ms(900), 3), [0; 3]);
    }

    #[test]
    fn never_gets_faster_than_the_set_rate_nor_slower_than_the_slowest() {
        let start = Instant::now();
        let mut pace = Pace::new(ms(80), start);
        (0..20).for_each(|step| pace.slow_down(start + ms(step), start + ms(step)));
        assert_eq!(pace.spacing, SPACING.1);
        (0..200).for_each(|_| pace.ease());
        assert_eq!(pace.spacing, ms(80));
    }

    #[tokio::test]
    async fn closing_reaches_those_who_already_wait() {
        let gate = Gate::new(ms(20));
        let start = gate.pass().await;
        let (passed, ()) = tokio::join!(gate.pass(), async { gate.close_for(ms(60)) });
        assert!(passed.duration_since(start) >= ms(60));
    }
}
