//! `views`: SQL that makes, in an engine's session, the three tables and the views that answer what people ask of them.
//!
//! Each view is written once, in `sql/`, in the SQL that DuckDB and Spark share. Where the engines differ there stands a piece in
//! braces, such as `{micros: started_at}`, which `dialect` writes for each. Nothing is read of a dataset but which of its records
//! are there: an engine refuses a view over a file that is not, when the view is made.
//!
//! ```text
//! catalog   the views in their order, and what a row of each is    dialect   the pieces that differ
//! script    the statements of all of them                          source    where an engine finds the dataset
//! template  a text with pieces
//! ```
//!
//! Times are compared as microseconds since 1970 throughout, so that no session's zone has a say; the zone of days and hours is
//! written into the SQL.

mod catalog;
pub mod command;
mod dialect;
mod script;
mod source;
mod template;
