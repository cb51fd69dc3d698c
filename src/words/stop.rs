//! Stopping on a signal: the first one asks, the second one ends the process at once.
//!
//! The pipeline decides where it can stop cleanly; nothing is torn down under it.

use tokio::sync::watch;

use super::group;
use crate::error::{Error, Kind, Result};

/// The receiving end: whether the run was asked to stop, and by which signal. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<Option<Kind>>);

/// The asking end, which the signals hold.
#[derive(Debug)]
pub struct Stopper(watch::Sender<Option<Kind>>);

/// A pair of ends. A [`Stop`] whose [`Stopper`] is gone is never asked.
#[must_use]
pub fn channel() -> (Stopper, Stop) {
    let (sender, receiver) = watch::channel(None);
    (Stopper(sender), Stop(receiver))
}

impl Stopper {
    /// Asks to stop: [`Kind::Interrupted`], [`Kind::Terminated`] or [`Kind::HungUp`]. The first one counts.
    pub fn stop(&self, kind: Kind) {
        self.0.send_if_modified(|asked| asked.is_none() && asked.replace(kind).is_none());
    }
}

impl Stop {
    /// The signal that asked, if one did.
    #[must_use]
    pub fn requested(&self) -> Option<Kind> {
        *self.0.borrow()
    }

    /// To be called between two steps of work.
    ///
    /// # Errors
    /// With the signal's kind once it was asked to stop.
    pub fn check(&self) -> Result<()> {
        self.requested().map_or(Ok(()), |kind| Err(stopped(kind)))
    }

    /// Waits until it is asked to stop, for `select!`; forever, if that never happens.
    pub async fn wait(&self) -> Error {
        let mut receiver = self.0.clone();
        let kind = receiver.wait_for(Option::is_some).await.ok().and_then(|asked| *asked);
        match kind {
            Some(kind) => stopped(kind),
            None => std::future::pending().await,
        }
    }
}

fn stopped(kind: Kind) -> Error {
    let signal = match kind {
        Kind::Terminated => "SIGTERM",
        Kind::HungUp => "SIGHUP",
        _ => "SIGINT",
    };
    Error::new(kind, format!("stopped by {signal}"))
        .hint("run the same command again; an export goes on from where it was")
}

/// Listens for SIGINT, SIGTERM and SIGHUP from now on; to be called on a tokio runtime.
///
/// # Errors
/// [`Kind::Unexpected`] where the system refuses a handler.
pub fn listen() -> Result<Stop> {
    let mut signals =
        Signals::new().map_err(|error| Error::new(Kind::Unexpected, "cannot listen for signals").because(error))?;
    let (stopper, stop) = channel();
    tokio::spawn(async move {
        let kind = signals.next().await;
        tracing::warn!("stopping; a second signal ends the process at once");
        stopper.stop(kind);
        // A terminal that goes away may say so twice, by its shell and by the system: that is nobody's impatience.
        let kind = loop {
            match signals.next().await {
                Kind::HungUp => {}
                kind => break kind,
            }
        };
        group::end_all();
        std::process::exit(kind.exit_code().into());
    });
    Ok(stop)
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    /// None where it is to be ignored.
    hangup: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        write_past_a_limit_fails()?;
        let hangup = if is_hangup_ignored() { None } else { Some(signal(SignalKind::hangup())?) };
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())?, hangup })
    }

    async fn next(&mut self) -> Kind {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => Kind::Interrupted,
            _ = self.terminate.recv() => Kind::Terminated,
            _ = hangup => Kind::HungUp,
        }
    }
}

/// Whether the process was begun with SIGHUP ignored, as `nohup` does: then a terminal that goes away must not end it. Where
/// the system does not tell, the signal stays what it was.
#[cfg(unix)]
fn is_hangup_ignored() -> bool {
    const HANGUP: u64 = 1; // the first bit is the first signal
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_none_or(|mask| mask & HANGUP != 0)
}

/// A file that may not grow further (`ulimit -f`), such as a log, is an error of the write and not the end of the process.
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
fn write_past_a_limit_fails() -> std::io::Result<()> {
    const SIGXFSZ: i32 = 25;
    // Once there is a handler, it stays, also without anybody who listens.
    tokio::signal::unix::signal(tokio::signal::unix::SignalKind::from_raw(SIGXFSZ)).map(drop)
}

#[cfg(all(unix, not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))))]
fn write_past_a_limit_fails() -> std::io::Result<()> {
    Ok(()) // the number of the signal differs
}

#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    async fn next(&mut self) -> Kind {
        self.0.recv().await;
        Kind::Interrupted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_signal_counts() {
        let (stopper, stop) = channel();
        assert!(stop.check().is_ok());
        stopper.stop(Kind::Terminated);
        stopper.stop(Kind::Interrupted);
        let shown = stop.wait().await.render();
        assert!(shown.starts_with("error: stopped by SIGTERM\nhint: run the same command again"), "{shown}");
        assert_eq!(stop.check().unwrap_err().kind().exit_code(), 143);
        drop(stopper);
        assert_eq!(stop.requested(), Some(Kind::Terminated));
        let (stopper, stop) = channel();
        stopper.stop(Kind::HungUp);
        let error = stop.wait().await;
        assert_eq!((error.to_string().as_str(), error.kind().exit_code()), ("stopped by SIGHUP", 129));
    }

    #[tokio::test]
    async fn without_a_stopper_nobody_asks() {
        let (_, stop) = channel();
        tokio::select! {
            biased;
            _ = stop.wait() => panic!("nobody asked"),
            () = tokio::task::yield_now() => {}
        }
    }
}
