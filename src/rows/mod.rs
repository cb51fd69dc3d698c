//! JSON to rows: the shape of an answer, attendance, and the three tables. Pure: no clock, no I/O, no randomness.
//!
//! ```text
//! mend      text that is not valid Unicode      lenient   values that may be of any shape
//! model     what a page says                    flatten   sessions to Arrow rows
//! facts     how much of a session is filled in  tables    the columns, each declared once
//! anomaly   what was odd                        attendance  the intervals, and what of them counts
//! chunk     whole sessions in Arrow             count     every computed column, from what is listed
//! person    who is one human                    method    by which rules a file was counted
//! recount   counts that are compared or renewed
//! erasure   who must not come back              partition which partition a session belongs to
//! privacy   what may be written down           protect   published rows under a stricter rule
//! ```

pub mod anomaly;
pub mod attendance;
pub mod chunk;
pub mod count;
pub mod erasure;
pub mod facts;
pub mod flatten;
pub mod lenient;
pub mod mend;
pub mod method;
pub mod model;
pub mod partition;
pub mod person;
pub mod privacy;
pub mod protect;
pub mod recount;
pub mod tables;
