//! The dataset: Parquet files by table and partition that are whole at any instant, and the record of each run.

pub mod admission;
pub mod destination;
pub mod encode;
pub mod erasures;
mod footer;
pub mod forms;
pub mod gone;
pub mod identity;
pub mod inspection;
pub mod known;
pub mod lake;
pub mod lanes;
pub mod layout;
pub mod lease;
pub mod merge;
pub mod publish;
pub mod published;
pub mod publishing;
pub mod receipt;
pub mod rejects;
mod sealed;
pub mod split;
pub mod state;
mod trial;
