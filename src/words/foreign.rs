//! Bytes that somebody else may have changed, read by a library that may panic over them: that is damage, not a defect.

use std::any::Any;
use std::cell::Cell;
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Why something can't be read.
pub type Cause = Box<dyn Error + Send + Sync>;

thread_local! {
    static READING: Cell<bool> = const { Cell::new(false) };
}

/// Reads foreign bytes. What `read` has changed must not be used after an error.
///
/// # Errors
/// Its own; the message of a panic.
pub fn read<T, E: Into<Cause>>(read: impl FnOnce() -> Result<T, E>) -> Result<T, Cause> {
    let before = READING.replace(true);
    let done = catch_unwind(AssertUnwindSafe(read));
    READING.set(before);
    done.map_err(|panic| message(panic.as_ref()))?.map_err(Into::into)
}

/// Whether this thread reads foreign bytes now, so that a panic is told by [`read`].
pub fn is_reading() -> bool {
    READING.get()
}

fn message(panic: &(dyn Any + Send)) -> Cause {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref().copied());
    format!("its reader gave up: {}", text.unwrap_or("no message")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_over_foreign_bytes_is_an_error() {
        let bytes: &[u8] = &[1, 2];
        let second = |at: usize| read(|| Ok::<_, Cause>(bytes[at]));
        assert_eq!(second(1).unwrap(), 2);
        let error = second(2).unwrap_err().to_string();
        assert!(error.starts_with("its reader gave up: index out of bounds"), "{error}");
        assert!(read(|| Err::<(), _>("no")).is_err_and(|error| error.to_string() == "no"));
        assert!(!is_reading() && read(|| Ok::<_, Cause>(is_reading())).unwrap());
    }
}
