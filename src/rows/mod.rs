//! JSON to rows: the shape of an answer, attendance, and the three tables. Pure: no clock, no I/O, no randomness.
//!
//! ```text
//! mend      text that is not valid Unicode      lenient   values that may be of any shape
//! model     what a page says                    flatten   sessions to Arrow rows
//! facts     what of a session is counted        attendance  the intervals, and what of them counts
//! anomaly   what was odd                        tables    the columns
//! chunk     whole sessions in Arrow             recount   counts from rows that are stored
//! erasure   who must not come back              partition which partition a session belongs to
//! ```

pub mod anomaly;
pub mod attendance;
pub mod chunk;
pub mod erasure;
pub mod facts;
pub mod flatten;
pub mod lenient;
pub mod mend;
pub mod model;
pub mod partition;
pub mod recount;
pub mod tables;
