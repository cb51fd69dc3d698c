//! Writes the seeds anew that depend on the form of the tool's own files: of a page, a stage and parts.

use std::fs;
use std::path::Path;

use rollbook_fuzz::{Left, body, parts};

fn main() {
    let put = |name: &str, bytes: &[u8]| {
        fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(name), bytes).expect(name);
    };
    let left = Left::new();
    put("page_body/page", &body());
    put("journal/page", &left.journal());
    put("segment/page", left.segment());
    put("part/whole", &parts()[0].timelogs);
    // Each of the page's parts as it is, for each reader.
    (0..6).chain(64..70).chain(128..134).for_each(|which| put(&format!("part/{which:x}"), &[which]));
}
