//! rollbook exports every meeting session of a VideoSDK account to Parquet and shows that none was missed.
//!
//! ```text
//! cli -> config                      what was typed, and what it means
//!          |
//!   walk:  plan windows -> api       which pages to ask for, and what their answers prove
//!          |  each page, once
//!   flatten:  session -> rows        attendance is computed here, straight into Arrow
//!          |
//!   stage:  Arrow batches on disk, by partition, resumable
//!          |  the goal is covered
//!   dataset:  merge with what is there, sort, encode, replace atomically
//!          |
//!   receipt:  written last
//! ```
//!
//! Values flow one way, and only [`export`] sees both ends; no file imports one that leads back to it.
//! `walk`, `attendance`, `flatten` and `recount` are pure: no clock, no I/O, no randomness.

pub mod anomaly;
pub mod api;
pub mod attendance;
pub mod check;
pub mod chunk;
pub mod cli;
pub mod config;
pub mod dataset;
pub mod demo;
pub mod erasure;
pub mod error;
pub mod export;
pub mod facts;
mod fetch;
pub mod files;
pub mod flatten;
pub mod foreign;
pub mod limits;
pub mod logging;
pub mod name;
pub mod outlet;
pub mod place;
pub mod progress;
pub mod purge;
pub mod range;
pub mod recount;
pub mod redact;
pub mod shortfall;
pub mod signal;
pub mod sim;
pub mod stage;
pub mod store;
pub mod summary;
pub mod system;
pub mod tables;
pub mod timestamp;
pub mod verify;
pub mod walk;
