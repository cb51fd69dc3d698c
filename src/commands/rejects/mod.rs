//! `rejects`: the records that could not become rows, or not all of them, as runs have kept them.
//!
//! It reads what is kept and writes nothing. A record that several runs have met is listed once, with the last of them. What is
//! listed may hold personal data, and was written by others: it is shown as [`crate::words::redact`] makes it.
//!
//! ```text
//! found    the records, each once, by reason
//! trial    what this version makes of one
//! report   for a person and for a machine
//! ```

pub mod command;
mod found;
mod report;
mod trial;
