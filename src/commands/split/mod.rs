//! `split`: one export by many processes. Each step is a command of its own; what it has done is in the split's place
//! ([`crate::dataset::split`]), so that it can be repeated, killed, and run twice at once.
//!
//! ```text
//! plan     how long the list is, and who reads what     publish  some partitions
//! fetch    a part of the list into a stage              finish   state, snapshot, receipt, exit code
//! join     a run that goes on from many stages          ground   what every step finds
//! ```

pub mod command;
mod fetch;
mod finish;
mod ground;
mod join;
mod plan;
mod publish;
mod status;
