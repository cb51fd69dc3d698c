//! Whether a store keeps its word: a file is replaced on a condition, or not at all.

use super::{Access, Store, Swap, Version};
use crate::error::{Error, Kind, Result};

/// Puts a small file, puts it again on conditions that hold and on ones that don't, and removes it.
///
/// # Errors
/// `Config` where a condition is ignored, or one that holds is refused; `Destination` where nothing can be written.
pub fn probe(store: &dyn Store, run_id: &str) -> Result<()> {
    let path = format!("_rollbook/probe-{run_id}");
    let put = |text: &str, expected: Option<&Version>| {
        store.swap(store.draft(&path, text.as_bytes())?, expected, Access::Private)
    };
    let probed = || {
        let Swap::Done(first) = put("first", None)? else {
            return Err(unsafe_store(store, "says that a file is there that is not"));
        };
        if put("second", None)? != Swap::Lost {
            return Err(unsafe_store(store, "replaces a file though it was told not to (If-None-Match)"));
        }
        let Swap::Done(third) = put("third", Some(&first))? else {
            return Err(unsafe_store(store, "refuses the etag that it gave itself (If-Match)"));
        };
        if third == first || put("fourth", Some(&first))? != Swap::Lost {
            return Err(unsafe_store(store, "replaces a file that has changed meanwhile (If-Match)"));
        }
        Ok(())
    };
    match probed() {
        // What can't be written to need not be asked to remove anything.
        Err(error) if error.kind() != Kind::Config => Err(error),
        result => result.and(store.remove(&path)),
    }
}

fn unsafe_store(store: &dyn Store, what: &str) -> Error {
    let what = format!("the object store does not honour conditions, it {what}: {}", store.place(""));
    Error::new(Kind::Config, what)
        .hint("use a store or a version of it that supports conditional writes, or export to a local folder")
}
