//! A staged segment that a stopped run has left, read by one that goes on.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use rollbook_fuzz::Left;

static LEFT: LazyLock<Left> = LazyLock::new(Left::new);

fuzz_target!(|segment: &[u8]| LEFT.with_segment(segment));
