//! `demo`: a simulated account behind a real socket, exported like any other, and what a person wants to see of it.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};

use crate::api::{Credentials, Secret};
use crate::cli::{Demo, Global};
use crate::commands::export::Work;
use crate::commands::run::{Task, execute};
use crate::commands::simulate::serve;
use crate::commands::{Ended, Setting};
use crate::config::Config;
use crate::dataset::destination::Destination;
use crate::dataset::layout::Layout;
use crate::dataset::published::Published;
use crate::dataset::receipt::Receipt;
use crate::dataset::state::State;
use crate::error::{Error, Kind, Result};
use crate::rows::tables::Table;
use crate::sim::{Account, Options, Shape, Spacing};
use crate::terminal::summary::{counted, grouped, size};
use crate::words::stop::Stop;

/// The time that the account's sessions cover, however many they are: 180 days, so that there are several months.
const HALF_A_YEAR_MS: u64 = 180 * 86_400_000;
/// Sessions shown of the attendance summary.
const TOP: usize = 5;

/// `demo`: a simulated account behind a real socket, exported like any other.
pub async fn demo(mut setting: Setting<'_>, global: &Global, demo: &Demo, stop: Stop) -> Result<Ended> {
    let gap_ms = HALF_A_YEAR_MS / demo.sessions.max(1);
    let account = Account::new(1, demo.sessions, Shape::Realistic).spaced(Spacing::every(gap_ms));
    let server = serve(Options::new(account), SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
    setting.config.api.base_url = server
        .base_url()
        .parse()
        .map_err(|error| Error::new(Kind::Unexpected, "the simulated API has no usable address").because(error))?;
    // The simulated API speaks both versions: a dataset that is there already goes on with its own.
    let Destination { layout, .. } = Destination::open(&setting.config, setting.environment, "demo", true, &stop)?;
    if let Some(version) = State::version_of(&layout)? {
        setting.config.api.version = version;
    }
    tracing::info!(
        "an account of {} is simulated on this machine and exported to {}",
        counted(demo.sessions, "session"),
        setting.config.dataset.url
    );
    let config = setting.config.clone();
    let credentials = Credentials::Token(Secret::new("demo"));
    let work = Work::Export { full: true, meetings: Vec::new() };
    let (dry_run, create_parents) = (global.dry_run, global.create_parents);
    let task = Task { command: "demo", work, dry_run, create_parents, fresh: false, wait: None };
    let mut ended = execute(task, setting, credentials, stop).await?;
    server.stop().await;
    if ended.error.is_none() && !global.dry_run {
        ended.text.push_str(&show(&ended.receipt, &config)?);
    }
    Ok(ended)
}

/// The tables with rows and sizes, the line to query them, and the best attended sessions.
fn show(receipt: &Receipt, config: &Config) -> Result<String> {
    let place = config.dataset.url.to_string();
    let dataset = place.trim_end_matches('/');
    let mut text = format!("\n{:<14}{:>10}{:>10}{:>7}   where\n", "table", "rows", "size", "files");
    for table in Table::ALL {
        let files: Vec<_> = receipt.partitions.iter().filter(|file| file.table == table.name()).collect();
        let rows = grouped(files.iter().map(|file| file.rows).sum());
        let bytes = size(files.iter().map(|file| file.bytes).sum());
        let count = files.len();
        let _ = writeln!(text, "{:<14}{rows:>10}{bytes:>10}{count:>7}   {dataset}/{}/", table.name(), table.name());
    }
    text.push_str(&attendance(config)?);
    let _ = write!(
        text,
        "\nquery it with DuckDB:\n  duckdb -c \"select start_month, count(*) sessions, \
         round(sum(occupied_ms) / 3.6e6, 1) active_hours from read_parquet('{dataset}/sessions/*/*.parquet', \
         hive_partitioning = true) group by 1 order by 1\"\n"
    );
    Ok(text)
}

struct Attended {
    meeting: String,
    hours: f64,
    active_minutes: f64,
    participants: i32,
    peak: i32,
}

fn attendance(config: &Config) -> Result<String> {
    // From an object store all would have to be fetched once more.
    let Some(folder) = config.dataset.url.folder() else { return Ok(String::new()) };
    let layout = Layout::local(folder, config.dataset.partition_by);
    let mut top: Vec<Attended> = Vec::new();
    for published in Published::all(&layout)? {
        let mut chunks = published.chunks_as_stored()?;
        while let Some(chunk) = chunks.next_chunk()? {
            top.extend(rows(&chunk.batches().sessions));
            top.sort_by(|a, b| b.hours.total_cmp(&a.hours));
            top.truncate(TOP);
        }
    }
    if top.is_empty() {
        return Ok(String::new());
    }
    let mut text = String::from("\nbest attended sessions:\n");
    let _ = writeln!(
        text,
        "  {:<16}{:>16}{:>14}{:>14}{:>7}",
        "meeting", "attended hours", "active min", "participants", "peak"
    );
    for Attended { meeting, hours, active_minutes, participants, peak } in top {
        let _ = writeln!(text, "  {meeting:<16}{hours:>16.1}{active_minutes:>14.1}{participants:>14}{peak:>7}");
    }
    Ok(text)
}

#[allow(clippy::cast_precision_loss)] // shown with one decimal
fn rows(sessions: &arrow_array::RecordBatch) -> Vec<Attended> {
    let millis = |name| sessions.column_by_name(name).map(AsArray::as_primitive::<Int64Type>);
    let counts = |name| sessions.column_by_name(name).map(AsArray::as_primitive::<Int32Type>);
    let columns = (
        sessions.column_by_name("meeting_id").map(AsArray::as_string::<i32>),
        millis("total_attended_ms"),
        millis("occupied_ms"),
        counts("participant_count"),
        counts("peak_participants"),
    );
    let (Some(meetings), Some(attended), Some(occupied), Some(participants), Some(peaks)) = columns else {
        return Vec::new();
    };
    let row = |row| Attended {
        meeting: meetings.iter().nth(row).flatten().unwrap_or("-").to_owned(),
        hours: attended.value(row) as f64 / 3.6e6,
        active_minutes: occupied.value(row) as f64 / 6e4,
        participants: participants.value(row),
        peak: peaks.value(row),
    };
    let mut best: Vec<usize> = (0..sessions.num_rows()).collect();
    best.sort_by_key(|&row| std::cmp::Reverse(attended.value(row)));
    best.truncate(TOP);
    best.into_iter().map(row).collect()
}
