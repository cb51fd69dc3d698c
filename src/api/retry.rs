//! What is tried again, and when: a pure rule, but for the random source that is handed in.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

use crate::list::{Asking, Silence};

/// Attempts for one request at most, the first included.
const ATTEMPTS: u32 = 5;
/// Attempts for one that is answered with nothing at all, or with an empty object: most likely that is meant.
const BARE_ATTEMPTS: u32 = 3;
/// Attempts for one that the documented client would not make.
const PROBE_ATTEMPTS: u32 = 2;
/// How long such a request, and with it all others, waits at most where the server asks to wait.
const PATIENCE: Duration = Duration::from_secs(5);

/// Attempts at most for a request that has just failed so.
pub(super) const fn attempts(asking: Asking, silence: Silence) -> u32 {
    match (asking, silence) {
        (Asking::Documented, Silence::Bare) => BARE_ATTEMPTS,
        (Asking::Documented, _) => ATTEMPTS,
        (Asking::Probe | Asking::WrongToken, _) => PROBE_ATTEMPTS,
    }
}

/// How long a request with so much of its time left waits at most because the server asks to.
pub(super) fn patience(asking: Asking, left: Duration) -> Duration {
    match asking {
        Asking::Documented => left,
        Asking::Probe | Asking::WrongToken => left.min(PATIENCE),
    }
}

/// A number from 0 up to, but not including, 1.
pub(super) type Random = Box<dyn Fn() -> f64 + Send + Sync>;

/// Exponential backoff, half of it by chance: before attempt `n + 1`, from a half to the whole of `base * 3^(n - 1)`. Five
/// attempts so outlast an outage of ten seconds, and those of many clients do not come all at once.
pub(super) struct Backoff {
    /// The longest wait before the second attempt; the shortest is half of it.
    pub base: Duration,
    /// The longest wait before any attempt.
    pub cap: Duration,
    /// Where the jitter comes from, handed in so that tests repeat.
    pub random: Random,
}

impl Backoff {
    /// Up to six tenths of a second at first, and 30 seconds at most.
    pub fn standard() -> Self {
        let seed = RandomState::new().build_hasher().finish();
        Self { base: Duration::from_millis(600), cap: Duration::from_secs(30), random: seeded(seed) }
    }

    /// How long to wait after this many failed attempts.
    pub fn wait(&self, failed: u32) -> Duration {
        let longest = self.base.saturating_mul(3_u32.saturating_pow(failed.saturating_sub(1))).min(self.cap);
        longest.mul_f64(0.5 + (self.random)() / 2.0)
    }
}

/// The `SplitMix64` sequence of this seed: good enough to spread requests out, and the same for the same seed.
pub(super) fn seeded(seed: u64) -> Random {
    const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
    let state = AtomicU64::new(seed);
    Box::new(move || {
        let mut bits = state.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        // 32 random bits, so that the conversion is exact.
        f64::from(u32::try_from((bits ^ (bits >> 31)) >> 32).unwrap_or(0)) / (f64::from(u32::MAX) + 1.0)
    })
}

/// How long the server asks to wait: whole seconds, or until an HTTP date (RFC 9110, 10.2.3). Anything else is ignored. A
/// date is one by the server's clock, which the answer's own `Date` tells; `now`, by the clock of this machine, stands in
/// where there is none.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More seconds than fit are still a wish to be left alone.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let until = httpdate::parse_http_date(value).ok()?;
    Some(until.duration_since(date(headers).unwrap_or(now)).unwrap_or_default())
}

/// When the server says that it answered, in microseconds since 1970; `None` where that is missing or unreadable.
pub(super) fn answered_at(headers: &HeaderMap) -> Option<i64> {
    i64::try_from(date(headers)?.duration_since(UNIX_EPOCH).ok()?.as_micros()).ok()
}

/// The time in the header `Date`, by the server's own clock; whole seconds.
fn date(headers: &HeaderMap) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?.trim()).ok()
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn waits_grow_up_to_the_cap_and_outlast_ten_seconds() {
        let backoff = |share: f64| Backoff {
            base: Duration::from_secs(1),
            cap: Duration::from_secs(20),
            random: Box::new(move || share),
        };
        let waits = |share| (1..=4).map(|failed| backoff(share).wait(failed).as_millis()).collect::<Vec<_>>();
        assert_eq!(waits(1.0), [1000, 3000, 9000, 20_000]);
        assert_eq!(waits(0.5), [750, 2250, 6750, 15_000]);
        assert_eq!(waits(0.0), [500, 1500, 4500, 10_000]);
        assert_eq!(backoff(1.0).wait(u32::MAX), Duration::from_secs(20));
        let shortest = Backoff { random: Box::new(|| 0.0), ..Backoff::standard() };
        assert!((1..ATTEMPTS).map(|failed| shortest.wait(failed)).sum::<Duration>() > Duration::from_secs(10));
    }

    #[test]
    fn the_random_source_repeats_and_stays_in_range() {
        let draw = |seed| {
            let random = seeded(seed);
            (0..1000).map(|_| random()).collect::<Vec<_>>()
        };
        let drawn = draw(7);
        assert_eq!(drawn, draw(7));
        assert_ne!(drawn, draw(8));
        assert!(drawn.iter().all(|number| (0.0..1.0).contains(number)));
        let mean = drawn.iter().sum::<f64>() / 1000.0;
        assert!((0.45..0.55).contains(&mean), "{mean}");
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777); // Sun, 06 Nov 1994 08:49:37 GMT
        let read = |value: &'static str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]);
            retry_after(&headers, now).map(|wait| wait.as_secs())
        };
        assert_eq!(read("120"), Some(120));
        assert_eq!(read(" 0 "), Some(0));
        assert_eq!(read("Sun, 06 Nov 1994 08:50:37 GMT"), Some(60));
        assert_eq!(read("Sun, 06 Nov 1994 08:00:00 GMT"), Some(0));
        assert_eq!(read("99999999999999999999999"), Some(u64::MAX));
        assert_eq!(read("soon"), None);
        assert_eq!(read(""), None);
        assert_eq!(read("-5"), None);
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn a_date_to_wait_for_is_held_against_the_servers_own_clock() {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777); // Sun, 06 Nov 1994 08:49:37 GMT
        let read = |until: &'static str, date: &'static str| {
            let headers = [(RETRY_AFTER, HeaderValue::from_static(until)), (DATE, HeaderValue::from_static(date))];
            retry_after(&HeaderMap::from_iter(headers), now).map(|wait| wait.as_secs())
        };
        let late = "Sun, 06 Nov 1994 09:49:37 GMT";
        assert_eq!(read("Sun, 06 Nov 1994 09:49:39 GMT", late), Some(2));
        assert_eq!(read("Sun, 06 Nov 1994 08:49:39 GMT", late), Some(0));
        assert_eq!(read("Sun, 06 Nov 1994 07:49:39 GMT", "Sun, 06 Nov 1994 07:49:37 GMT"), Some(2));
        assert_eq!(read("Sun, 06 Nov 1994 08:49:39 GMT", "noon"), Some(2), "without a Date, this machine's clock");
        assert_eq!(read("7", late), Some(7));
    }

    #[test]
    fn the_time_of_an_answer_is_read_where_it_can_be() {
        let read = |value: &'static str| answered_at(&HeaderMap::from_iter([(DATE, HeaderValue::from_static(value))]));
        assert_eq!(read("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777_000_000));
        assert_eq!(read("1994-11-06T08:49:37Z"), None);
        assert_eq!(read("Wed, 31 Dec 1969 23:59:59 GMT"), None);
        assert_eq!(answered_at(&HeaderMap::new()), None);
    }

    #[test]
    fn a_request_that_nobody_documents_is_tried_twice_and_not_waited_for() {
        let (minute, second) = (Duration::from_mins(1), Duration::from_secs(1));
        for asking in [Asking::Probe, Asking::WrongToken] {
            for silence in [Silence::Status(503), Silence::Bare, Silence::Shape, Silence::Late, Silence::Broken] {
                assert_eq!(attempts(asking, silence), 2);
            }
            assert_eq!((patience(asking, minute), patience(asking, second)), (PATIENCE, second));
        }
        assert_eq!(attempts(Asking::Documented, Silence::Bare), 3);
        assert_eq!(attempts(Asking::Documented, Silence::Late), 5);
        assert_eq!(patience(Asking::Documented, minute), minute);
    }
}
