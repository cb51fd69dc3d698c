//! What is tried again, and when: a pure rule, but for the random source that is handed in.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// Attempts for one request at most, the first included.
pub const ATTEMPTS: u32 = 5;

/// A number from 0 up to, but not including, 1.
pub(super) type Random = Box<dyn Fn() -> f64 + Send + Sync>;

/// Exponential backoff with full jitter: before attempt `n + 1`, anything up to `base * 2^(n - 1)`.
pub(super) struct Backoff {
    /// The longest first wait.
    pub base: Duration,
    /// The longest wait.
    pub cap: Duration,
    /// Where the jitter comes from.
    pub random: Random,
}

impl Backoff {
    /// Up to half a second at first, and 30 seconds at most.
    pub fn standard() -> Self {
        let seed = RandomState::new().build_hasher().finish();
        Self { base: Duration::from_millis(500), cap: Duration::from_secs(30), random: seeded(seed) }
    }

    /// How long to wait after this many failed attempts.
    pub fn wait(&self, failed: u32) -> Duration {
        let doublings = failed.saturating_sub(1).min(31);
        self.base.saturating_mul(1 << doublings).min(self.cap).mul_f64((self.random)())
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

/// Whether an answer with this status may be better next time.
pub(super) fn is_passing(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429)
}

/// How long the server asks to wait: whole seconds, or until an HTTP date (RFC 9110, 10.2.3). Anything else is ignored.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More seconds than fit are still a wish to be left alone.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn waits_double_up_to_the_cap_and_are_spread_in_full() {
        let backoff = |share: f64| Backoff {
            base: Duration::from_secs(1),
            cap: Duration::from_secs(5),
            random: Box::new(move || share),
        };
        let waits = |share| (1..=4).map(|failed| backoff(share).wait(failed).as_millis()).collect::<Vec<_>>();
        assert_eq!(waits(1.0), [1000, 2000, 4000, 5000]);
        assert_eq!(waits(0.25), [250, 500, 1000, 1250]);
        assert_eq!(waits(0.0), [0; 4]);
        assert_eq!(backoff(1.0).wait(u32::MAX), Duration::from_secs(5));
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
    fn only_what_may_pass_is_tried_again() {
        let passing = |code| is_passing(StatusCode::from_u16(code).unwrap());
        assert!([408, 425, 429, 500, 501, 502, 503, 504, 520, 599].into_iter().all(passing));
        assert!(![200, 301, 400, 401, 402, 403, 404, 409, 410, 422].into_iter().any(passing));
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
}
