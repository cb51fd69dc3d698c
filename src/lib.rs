//! rollbook exports every meeting session of a VideoSDK account to Parquet and shows that none was missed.
//!
//! ```text
//! cli -> config                      what was typed, and what it means
//!          |
//!   walk:  plan windows -> api       which pages to ask for, and what their answers prove
//!          |  each page, once
//!   rows:  session -> rows           only what is listed, straight into Arrow
//!          |
//!   stage:  Arrow batches on disk, by partition, resumable
//!          |  the goal is covered
//!   rows:  attendance is computed as staged rows are read back
//!          |
//!   dataset:  merge with what is there, sort, encode, replace atomically
//!          |
//!   receipt:  written last
//! ```
//!
//! Each room below knows those before it in this order, and none behind it:
//!
//! ```text
//! words     what every room says: errors, times, ids, limits      stage     rows on local disk, to go on from
//! list      the words of the list: windows, requests, answers     dataset   files that readers see, and records of runs
//! walk      which windows, and what their answers prove           sim       the simulated API; knows no other room
//! rows      JSON to rows, attendance, tables                      terminal  what an operator sees
//! store     where bytes are                                       cli       what was typed
//! config    what a run is told                                    commands  one room a command; only they see both ends
//! api       the API as a client sees it
//! ```
//!
//! No file imports one that leads back to it. `list`, `walk` and `rows` are pure: no clock, no I/O, no randomness.

pub mod api;
pub mod cli;
pub mod commands;
pub mod config;
pub mod dataset;
pub mod error;
pub mod list;
pub mod rows;
pub mod sim;
pub mod stage;
pub mod store;
pub mod terminal;
pub mod walk;
pub mod words;
