//! A session of the list, as far as its place in the list goes.

/// One listed session, as the walk needs to know it. Times are microseconds since 1970, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Listed {
    /// 128-bit hash of the session's id.
    pub id: u128,
    /// Start; `None` where missing or unreadable.
    pub start: Option<i64>,
    /// End; `None` while the session runs, or where the end is unreadable.
    pub end: Option<i64>,
    /// A number that orders ids: see [`rank`].
    pub rank: u128,
}

/// The digits of an id that begins with its time, as many databases make them.
const HEX_ID: usize = 24;

/// A number by which ids are ordered: the value of a whole number or of 24 hexadecimal digits, else the first 16 bytes.
#[must_use]
pub fn rank(id: &str) -> u128 {
    let is_hex = id.len() == HEX_ID && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = if is_hex { u128::from_str_radix(id, 16).ok() } else { id.parse().ok() };
    number.unwrap_or_else(|| {
        let mut first = [0; 16];
        first.iter_mut().zip(id.bytes()).for_each(|(place, byte)| *place = byte);
        u128::from_be_bytes(first)
    })
}

impl Listed {
    /// The time in an id of 24 hexadecimal digits, in microseconds but to the second; `None` in any other id.
    #[must_use]
    pub fn made(&self) -> Option<i64> {
        let seconds = u32::try_from(self.rank >> 64).ok().filter(|seconds| *seconds > 0)?;
        Some(i64::from(seconds) * 1_000_000)
    }
}
