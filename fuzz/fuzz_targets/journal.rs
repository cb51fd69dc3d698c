//! The journal of a stopped run, read by one that goes on. Lines are without their sums, which are put before them.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use rollbook_fuzz::Left;

static LEFT: LazyLock<Left> = LazyLock::new(Left::new);

fuzz_target!(|journal: &[u8]| LEFT.with_journal(journal));
