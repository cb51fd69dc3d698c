//! `split`: one export by many processes.

use clap::{Args, Subcommand, ValueEnum, ValueHint};

use crate::dataset::split::records::MOST_TASKS;

/// `rollbook split`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        rollbook split plan --split /shared/split --tasks 8 --dest /shared/videosdk\n  \
        rollbook split fetch --split /shared/split --task 0      so for each of `fetch_tasks`\n  \
        rollbook split join --split /shared/split\n  \
        rollbook split publish --split /shared/split --task 0    so for each of `publish_tasks`\n  \
        rollbook split finish --split /shared/split")]
pub struct Split {
    /// What to do.
    #[command(subcommand)]
    pub step: Step,
}

/// The place of a split.
#[derive(Debug, Clone, Args)]
pub struct Where {
    /// The place that all machines see: a folder, or s3://, az:// or gs://
    #[arg(long, value_name = "PLACE", value_hint = ValueHint::DirPath)]
    pub split: String,
}

/// A task of a step.
#[derive(Debug, Clone, Args)]
pub struct Numbered {
    /// The place that all machines see.
    #[command(flatten)]
    pub place: Where,
    /// Which task, counted from 0 [default: what the cluster says]
    ///
    /// Without the flag it is read from the variable that the cluster sets. A task beyond the plan has nothing to do and ends with 0.
    #[arg(
        long,
        value_name = "N",
        long_help = "Which task, counted from 0; without the flag: JOB_COMPLETION_INDEX, AWS_BATCH_JOB_ARRAY_INDEX or \
                     CLOUD_RUN_TASK_INDEX. A task beyond the plan has nothing to do and ends with 0"
    )]
    pub task: Option<u64>,
}

/// What the API limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Limit {
    /// All requests with one token: the tasks share `api.concurrency` and `api.requests_per_second`
    Key,
    /// The requests of each connection or address: each task has all of both
    Connection,
}

/// The steps, in their order.
#[derive(Debug, Subcommand)]
pub enum Step {
    /// Look how long the list is, and say which task reads which part
    ///
    /// Prints `fetch_tasks`. While a split is under way, exports and backfills of the dataset end with 7. The same plan again prints what
    /// is planned.
    Plan {
        /// The place that all machines see.
        #[command(flatten)]
        place: Where,
        /// How many processes may read
        #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=MOST_TASKS))]
        tasks: u64,
        /// What the API limits, so that the tasks get no more refusals than one process
        #[arg(long, value_enum, default_value_t = Limit::Key, value_name = "WHAT")]
        limit: Limit,
    },
    /// Read a part of the list
    Fetch(Numbered),
    /// Join what was read, read what is missing, show that it is complete, and say who publishes what
    ///
    /// Prints `publish_tasks` and the evidence. Nothing is published before it.
    Join(Where),
    /// Make some partitions of the dataset
    Publish(Numbered),
    /// Write the state and the receipt, remove what tasks have left, and end as an export does
    Finish(Where),
    /// Show which tasks are done
    Status(Where),
    /// Give a split up, and remove what it has left
    Drop(Where),
}

impl Step {
    /// The place of the split.
    #[must_use]
    pub fn place(&self) -> &str {
        match self {
            Self::Plan { place, .. }
            | Self::Join(place)
            | Self::Finish(place)
            | Self::Status(place)
            | Self::Drop(place) => &place.split,
            Self::Fetch(task) | Self::Publish(task) => &task.place.split,
        }
    }
}
