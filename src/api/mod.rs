//! The sessions API as a client sees it: URLs, credentials, limits, retries, and the wire model.

pub mod mend;
pub mod model;
