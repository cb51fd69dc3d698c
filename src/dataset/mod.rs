//! The dataset: Parquet files by table and partition that are whole at any instant, and the record of each run.

pub mod encode;
pub mod files;
pub mod identity;
pub mod layout;
pub mod lock;
pub mod merge;
pub mod publish;
pub mod published;
pub mod receipt;
pub mod rejects;
pub mod state;
