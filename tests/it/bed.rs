//! The test bed: a simulated API on a real socket, the binary run against it, and its dataset read back.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use chrono::{DateTime, SecondsFormat};
use rollbook::dataset::encode::digest;
use rollbook::dataset::layout::Layout;
use rollbook::dataset::published::Published;
use rollbook::rows::partition::PartitionBy;
use rollbook::rows::tables::Table;
use rollbook::sim::{Options, Server};
use rollbook::words::stop::channel;

/// The token that every run carries, and that nothing may ever show.
pub const TOKEN: &str = "canary-6f1d0c57-token";

/// A server and a folder for a dataset; both go when it is dropped.
pub struct Bed {
    pub server: Server,
    pub folder: tempfile::TempDir,
    /// Variables of every command.
    pub environment: Vec<(String, String)>,
    runtime: tokio::runtime::Runtime,
}

impl Bed {
    /// A bed with this API.
    pub fn new(options: Options) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let server = runtime.block_on(Server::start(options, "127.0.0.1:0".parse().unwrap())).unwrap();
        Self { server, folder: tempfile::tempdir().unwrap(), environment: Vec::new(), runtime }
    }

    /// Replaces the API by another one; the dataset stays.
    pub fn serve(&mut self, options: Options) {
        self.server = self.runtime.block_on(Server::start(options, "127.0.0.1:0".parse().unwrap())).unwrap();
    }

    /// Changes the text of the dataset's state, which must not stay the same, and leaves it as an earlier version wrote it: without a sum of itself.
    pub fn edit_state(&self, change: impl FnOnce(&str) -> String) {
        let path = self.dataset().join("_rollbook/state.json");
        let text = std::fs::read_to_string(&path).unwrap();
        let (text, _) = text.split_once(",\n  \"sum\": ").unwrap();
        let changed = change(text);
        assert_ne!(changed, text, "nothing was changed");
        std::fs::write(path, format!("{changed}\n}}\n")).unwrap();
    }

    /// The dataset's folder.
    pub fn dataset(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// `rollbook export --full` with further arguments, not yet run.
    pub fn export(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(&["export", "--full"]);
        command.args(arguments);
        command
    }

    /// A command against the server and the dataset, not yet run.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = rollbook(self.folder.path());
        command.args(arguments).args(["--base-url", &self.server.base_url()]);
        command.arg("--dest").arg(self.dataset());
        command.env("VIDEOSDK_TOKEN", TOKEN).env("ROLLBOOK_API_RETRY_BUDGET", "3s");
        command.envs(self.environment.clone());
        command
    }

    /// Runs a command as a hint or a report names it: with or without `rollbook` before it.
    pub fn line(&self, line: &str) -> Ran {
        let arguments: Vec<_> = line.split(' ').skip_while(|word| *word == "rollbook").collect();
        Ran::of(self.command(&arguments).output().unwrap())
    }

    /// Runs `rollbook export`.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.export(arguments).output().unwrap())
    }

    /// All rows of a table in order, each cell as text.
    pub fn rows(&self, table: Table) -> Vec<Vec<(String, String)>> {
        let layout = Layout::local(self.dataset(), PartitionBy::Month);
        let mut rows = Vec::new();
        for published in Published::all(&layout).unwrap() {
            let mut chunks = published.chunks().unwrap();
            while let Some(chunk) = chunks.next_chunk().unwrap() {
                let batch = &chunk.batches()[table];
                rows.extend((0..batch.num_rows()).map(|row| cells(batch, row)));
            }
        }
        rows
    }

    /// Pages of the list that were asked for; single sessions do not count.
    pub fn pages(&self) -> usize {
        self.server.requests().log.iter().filter(|request| request.target.contains("page=")).count()
    }

    /// The bytes of every published file, by path.
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        for table in Table::ALL {
            for folder in std::fs::read_dir(self.dataset().join(table.name())).into_iter().flatten().flatten() {
                for file in std::fs::read_dir(folder.path()).unwrap().flatten() {
                    if file.path().extension().is_some_and(|extension| extension == "parquet") {
                        files.push((file.path(), std::fs::read(file.path()).unwrap()));
                    }
                }
            }
        }
        files.sort();
        files
    }
}

/// A number from the environment of the tests.
pub fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|number| number.parse().unwrap())
}

/// The SHA-256 of a file.
pub fn sha256(file: &File) -> String {
    digest(file, &channel().1).unwrap().unwrap().1
}

/// The next number, as good as random.
pub fn next(random: &mut u64) -> usize {
    *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*random >> 33).unwrap()
}

/// Sends a signal, such as `-TERM`.
pub fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

/// A command's end, which must come so soon.
pub fn end_within(most: Duration, what: &str, mut child: Child) -> Ran {
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > most {
            child.kill().unwrap();
            panic!("{what}: goes on for more than {most:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ran::of(child.wait_with_output().unwrap())
}

/// The binary in a folder, with an environment of its own.
pub fn rollbook(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rollbook"));
    command.current_dir(folder).env_clear().env("HOME", folder).stdin(Stdio::null());
    command
}

/// What a run printed and how it ended.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// From a process's output; nothing it printed may hold the token.
    pub fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let ran =
            Self { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) };
        assert!(!ran.stdout.contains(TOKEN) && !ran.stderr.contains(TOKEN), "the token was shown: {ran:?}");
        ran
    }

    /// The receipt that `--json` printed.
    pub fn receipt(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no receipt ({error}): {self:?}"))
    }
}

pub fn cells(batch: &RecordBatch, row: usize) -> Vec<(String, String)> {
    let fields = batch.schema();
    let cell = |index: usize| (fields.field(index).name().clone(), cell(batch.column(index), row));
    (0..batch.num_columns()).map(cell).collect()
}

/// A cell as text: times as RFC 3339, lists with commas, null as `null`.
fn cell(column: &dyn Array, row: usize) -> String {
    if column.is_null(row) {
        return "null".to_owned();
    }
    match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().value(row).to_owned(),
        DataType::Int32 => column.as_primitive::<Int32Type>().value(row).to_string(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::Float64 => column.as_primitive::<Float64Type>().value(row).to_string(),
        DataType::Boolean => column.as_boolean().value(row).to_string(),
        DataType::Timestamp(..) => time(column.as_primitive::<TimestampMicrosecondType>().value(row)),
        DataType::List(_) => {
            let list = column.as_list::<i32>().value(row);
            list.as_string::<i32>().iter().flatten().collect::<Vec<_>>().join(",")
        }
        other => panic!("a column of type {other}"),
    }
}

/// Microseconds since 1970 as RFC 3339.
pub fn time(micros: i64) -> String {
    DateTime::from_timestamp_micros(micros).unwrap().to_rfc3339_opts(SecondsFormat::Millis, true)
}
