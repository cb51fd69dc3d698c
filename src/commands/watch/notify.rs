//! The program that is told how a run ended: the receipt on its stdin, nearly nothing in its environment, a bounded time, and a few
//! lines of its output for the log. Whatever it does, the run ends as it would have ended.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::config::{Environment, Notify};
use crate::dataset::receipt::Receipt;
use crate::words::group::Group;
use crate::words::redact::{begun, redact};
use crate::words::stop::Stop;

/// Bytes of its output that are kept for the log; the rest is read and dropped, so that the program can go on.
const KEPT: usize = 2_000;
/// How long it may take to end once it is asked to, and how long its output is waited for once it has ended.
const GRACE: Duration = Duration::from_secs(1);
/// How long it may take at most after a run that a signal has stopped: whoever sent the signal does not wait forever.
const AFTER_A_SIGNAL: Duration = Duration::from_secs(10);

/// How it came to an end.
enum End {
    Exited(ExitStatus),
    /// Its time was over.
    Late,
    /// A signal has come meanwhile.
    Stopped,
    /// The system did not say how.
    Lost(std::io::Error),
}

/// Warns of a program that is not there, before it is needed.
pub fn warn_if_missing(notify: &Notify, environment: &Environment) {
    let Some(program) = notify.command.first() else { return };
    let is_there = |path: &Path| path.metadata().is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0);
    let is_found = if program.contains('/') {
        is_there(Path::new(program))
    } else {
        let folders = environment.path().map(std::env::split_paths).into_iter().flatten();
        environment.path().is_none() || folders.into_iter().any(|folder| is_there(&folder.join(program)))
    };
    if !is_found {
        tracing::warn!(
            "nobody will be told if the run fails: `notify.command` names no program that is there: {program}"
        );
    }
}

/// Runs the program, if there is one, and waits for its end.
pub async fn tell(notify: &Notify, environment: &Environment, secrets: &[String], receipt: &Receipt, stop: &Stop) {
    let Some((program, arguments)) = notify.command.split_first() else { return };
    let begun = Instant::now();
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(variables(environment, &receipt.run_id)).process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            tracing::warn!("`notify.command` cannot be run: {program}: {error}");
            return;
        }
    };
    let heard = Arc::new(Mutex::new(Heard::default()));
    let end = attend(child, receipt.json(), &heard, notify.timeout, stop).await;
    let output = heard.lock().unwrap_or_else(PoisonError::into_inner).shown(secrets);
    let took = format!("{:.1} s", begun.elapsed().as_secs_f64());
    match end {
        End::Exited(status) if status.success() => {
            tracing::info!("`notify.command` was told how the run ended, in {took}");
            tracing::debug!(output, "`notify.command` has printed this");
        }
        End::Exited(status) => tracing::warn!(output, "`notify.command` failed after {took}: {status}"),
        End::Late => {
            tracing::warn!(output, "`notify.command` was ended, since it took too long (`notify.timeout`): {took}");
        }
        End::Stopped => tracing::warn!(output, "`notify.command` was ended by a signal after {took}"),
        End::Lost(error) => tracing::warn!(output, "`notify.command` is lost after {took}: {error}"),
    }
}

/// All that the program finds in its environment.
fn variables(environment: &Environment, run_id: &str) -> Vec<(&'static str, OsString)> {
    let path = environment.path().map(|path| ("PATH", path.to_owned()));
    let home = environment.get("HOME").map(|home| ("HOME", OsString::from(home)));
    let run = ("ROLLBOOK_RUN_ID", OsStr::new(run_id).to_owned());
    path.into_iter().chain(home).chain([run]).collect()
}

/// Feeds it, listens to it and waits for it; in the end nothing of it, nor of what it has begun, is left.
async fn attend(mut child: Child, receipt: String, heard: &Arc<Mutex<Heard>>, most: Duration, stop: &Stop) -> End {
    let group = child.id().and_then(Group::led_by);
    let mut ears = JoinSet::new();
    if let Some(stdin) = child.stdin.take() {
        let mut stdin = stdin;
        // It may well end without having read all, or anything.
        ears.spawn(async move { drop(stdin.write_all(receipt.as_bytes()).await) });
    }
    let pipes = child.stdout.take().map(boxed).into_iter().chain(child.stderr.take().map(boxed));
    for pipe in pipes {
        ears.spawn(listen(pipe, Arc::clone(heard)));
    }
    let was_stopped = stop.requested().is_some();
    let most = if was_stopped { most.min(AFTER_A_SIGNAL) } else { most };
    let signal = async { if was_stopped { std::future::pending().await } else { stop.wait().await } };
    let end = tokio::select! {
        biased;
        _ = signal => End::Stopped,
        () = sleep(most) => End::Late,
        status = child.wait() => status.map_or_else(End::Lost, End::Exited),
    };
    if let End::Exited(_) = end {
        // Something that it has begun may hold its pipes for as long as it likes.
        let _ = timeout(GRACE.min(most), async { while ears.join_next().await.is_some() {} }).await;
    } else {
        if let Some(group) = &group {
            group.ask_to_end();
        }
        let _ = timeout(GRACE, child.wait()).await;
    }
    drop(group);
    let _ = timeout(GRACE, child.wait()).await;
    end
}

type Pipe = Box<dyn AsyncRead + Send + Unpin>;

fn boxed(pipe: impl AsyncRead + Send + Unpin + 'static) -> Pipe {
    Box::new(pipe)
}

/// Reads a pipe to its end, however long that is.
async fn listen(mut pipe: Pipe, heard: Arc<Mutex<Heard>>) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length @ 1..) = pipe.read(&mut buffer).await {
        heard.lock().unwrap_or_else(PoisonError::into_inner).add(&buffer[..length]);
    }
}

/// The beginning of what it has printed.
#[derive(Default)]
struct Heard {
    kept: Vec<u8>,
    is_cut: bool,
}

impl Heard {
    fn add(&mut self, bytes: &[u8]) {
        let room = KEPT - self.kept.len();
        self.kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.is_cut |= bytes.len() > room;
    }

    /// The text as it may be logged: without secrets, nor the beginning of one that was cut.
    fn shown(&self, secrets: &[String]) -> String {
        let text = redact(String::from_utf8_lossy(&self.kept).trim_end(), secrets);
        if self.is_cut { format!("{}...", begun(&text, secrets)) } else { text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown_where_the_output_is_cut() {
        let secret = "hush-hush-hush".to_owned();
        for at in KEPT - 20..=KEPT {
            let mut heard = Heard::default();
            let text = format!("{}{secret} and more", "x".repeat(at));
            for piece in text.as_bytes().chunks(7) {
                heard.add(piece);
            }
            let shown = heard.shown(std::slice::from_ref(&secret));
            assert!(!shown.contains("hu") && shown.starts_with("xxx"), "{at}: {shown}");
            assert_eq!(heard.kept.len(), KEPT);
        }
    }
}
