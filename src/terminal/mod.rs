//! What an operator sees: logs and progress on stderr, the summary on stdout.

pub mod logging;
pub mod outlet;
pub mod progress;
pub mod question;
pub mod summary;
