//! The snapshots of a dataset: which there are, and an older one brought back.
//!
//! ```text
//! command   from what was typed to a list or a restore    list      what is printed of them
//! restore   an older one as the next                      
//! ```

pub mod command;
mod list;
mod restore;
