//! Progress on stderr: a bar on a terminal, a log line now and then elsewhere.
//!
//! It only ever counts what it is told, and never fails: a run doesn't end because its progress can't be shown.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use tracing_subscriber::fmt::MakeWriter;

use crate::terminal::outlet::Outlet;

/// Time between two lines where there is no terminal.
const BETWEEN_LINES: Duration = Duration::from_secs(10);
/// The columns of the bar, beside its facts.
const BAR: usize = 16;
/// Time between two pictures of the bar.
const BETWEEN_TICKS: Duration = Duration::from_millis(200);

/// Whether progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Mode {
    /// A bar on a terminal, plain lines elsewhere
    #[default]
    Auto,
    /// None
    Never,
}

/// What a run has done so far, shown to whoever watches. Every method is cheap and may be called from any thread;
/// a clone counts together with its original.
#[derive(Debug, Clone)]
pub struct Progress {
    shown: Shown,
    count: Arc<Mutex<Count>>,
}

#[derive(Debug, Clone)]
enum Shown {
    Nothing,
    Bar(ProgressBar),
    Lines,
}

/// Where the phase under way stands: `done` of `of` steps, `of` being 0 while that is not known.
#[derive(Debug, Clone, Copy)]
struct Count {
    phase: &'static str,
    done: u64,
    of: u64,
    sessions: u64,
    /// Pages and sessions of these that an earlier run has read.
    earlier: (u64, u64),
    since: Instant,
    last_line: Instant,
}

impl Progress {
    /// Progress in the phase `reading`. Without a terminal there are lines in place of the bar.
    #[must_use]
    pub fn new(mode: Mode, is_terminal: bool) -> Self {
        let now = Instant::now();
        let count =
            Count { phase: "reading", done: 0, of: 0, sessions: 0, earlier: (0, 0), since: now, last_line: now };
        let count = Arc::new(Mutex::new(count));
        let shown = match (mode, is_terminal) {
            (Mode::Never, _) => Shown::Nothing,
            (Mode::Auto, true) => Shown::Bar(bar(&count)),
            (Mode::Auto, false) => Shown::Lines,
        };
        Self { shown, count }
    }

    /// Goes on from what an earlier run has read: so many pages, so many sessions.
    pub fn go_on(&self, pages: u64, sessions: u64) {
        let mut count = self.count();
        *count = Count { done: pages, sessions, earlier: (pages, sessions), ..*count };
    }

    /// How many pages this run will read in all, as far as is known by now.
    pub fn expect(&self, pages: u64) {
        let pages = pages + self.count().earlier.0;
        self.count().of = pages;
        if let Shown::Bar(bar) = &self.shown {
            begin(bar);
            bar.set_length(pages);
        }
    }

    /// A page was read, with so many sessions.
    pub fn page(&self, rows: u64) {
        self.count().sessions += rows;
        self.step();
    }

    /// Another phase begins, of `steps` steps.
    pub fn phase(&self, name: &'static str, steps: u64) {
        let now = Instant::now();
        let mut count = self.count();
        *count = Count { phase: name, done: 0, of: steps, since: now, ..*count };
        drop(count);
        if let Shown::Bar(bar) = &self.shown {
            begin(bar);
            bar.reset();
            bar.set_length(steps);
        }
    }

    /// A step of the phase was done.
    pub fn step(&self) {
        let now = Instant::now();
        // A copy: the bar locks the count itself when it is drawn.
        let (count, due) = self.count().step(now);
        match &self.shown {
            Shown::Bar(bar) => {
                begin(bar);
                bar.set_position(count.done);
            }
            Shown::Lines if due => count.log(now.duration_since(count.since)),
            Shown::Nothing | Shown::Lines => {}
        }
    }

    /// Takes the bar off the screen.
    pub fn finish(&self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }

    /// Where log lines go: through the outlet, or above the bar, so that they don't tear it.
    #[must_use]
    pub fn log_writer(&self, outlet: &Outlet) -> LogWriter {
        match &self.shown {
            Shown::Bar(bar) => LogWriter::Above(bar.clone()),
            Shown::Nothing | Shown::Lines => LogWriter::Through(outlet.clone()),
        }
    }

    fn count(&self) -> MutexGuard<'_, Count> {
        lock(&self.count)
    }
}

fn lock(count: &Mutex<Count>) -> MutexGuard<'_, Count> {
    count.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A bar that asks `count` whenever it is drawn; hidden until [`begin`].
fn bar(count: &Arc<Mutex<Count>>) -> ProgressBar {
    let count = Arc::clone(count);
    let facts = move |state: &ProgressState, out: &mut dyn std::fmt::Write| {
        let count = { *lock(&count) };
        let facts = count.facts(state.elapsed(), state.eta());
        // A line that is broken by the terminal is not taken off the screen as a whole.
        let size = rustix::termios::tcgetwinsize(io::stderr());
        let room = size.map_or(usize::MAX, |size| usize::from(size.ws_col).saturating_sub(BAR + 2));
        let _ = out.write_str(facts.get(..room).unwrap_or(&facts));
    };
    let style = ProgressStyle::with_template(&format!("{{bar:{BAR}}} {{facts}}"))
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden())
        .with_style(style.with_key("facts", facts).progress_chars("=> "))
}

/// Draws the bar from now on, so that a command without progress never shows one.
fn begin(bar: &ProgressBar) {
    if bar.is_hidden() {
        bar.set_draw_target(ProgressDrawTarget::stderr());
        bar.enable_steady_tick(BETWEEN_TICKS);
    }
}

impl Count {
    /// Counts a step, and tells whether a line is due.
    fn step(&mut self, now: Instant) -> (Self, bool) {
        self.done += 1;
        let due = now.duration_since(self.last_line) >= BETWEEN_LINES;
        if due {
            self.last_line = now;
        }
        (*self, due)
    }

    /// The line beside the bar: pages, sessions, rate and time left.
    fn facts(self, elapsed: Duration, left: Duration) -> String {
        let of = if self.of > 0 { format!("/{}", HumanCount(self.of)) } else { String::new() };
        let unit = if self.is_reading() { " pages" } else { "" };
        let mut facts = vec![format!("{} {}{of}{unit}", self.phase, HumanCount(self.done))];
        if self.is_reading() {
            facts.push(format!("{} sessions", HumanCount(self.sessions)));
            facts.push(format!("{}/s", HumanCount(self.rate(elapsed))));
        }
        facts.push(clock(elapsed));
        if self.of > self.done && self.done > 0 {
            facts.push(format!("{} left", clock(left)));
        }
        facts.join("  ")
    }

    fn log(self, elapsed: Duration) {
        let Self { phase, done, of, sessions, .. } = self;
        if self.is_reading() {
            tracing::info!(pages = done, of, sessions, rate = self.rate(elapsed), "progress");
        } else {
            tracing::info!(phase, done, of, "progress");
        }
    }

    fn is_reading(self) -> bool {
        self.phase == "reading"
    }

    /// Sessions a second, rounded down; `elapsed` since the phase began.
    fn rate(self, elapsed: Duration) -> u64 {
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
        (self.sessions - self.earlier.1).saturating_mul(1000) / millis
    }
}

/// A duration for a person: `1:05` is a minute and five seconds, `2:01:05` two hours and more.
fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// Writes log lines to stderr, so that they and the bar don't cut each other.
#[derive(Debug, Clone)]
pub enum LogWriter {
    /// Above the bar, which is drawn anew below the lines.
    Above(ProgressBar),
    /// Through the outlet, where there is no bar to be kept whole.
    Through(Outlet),
}

/// Best effort: stderr may be a full disk, or a pipe that nobody reads any more, and no run ends because of that.
impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Through(outlet) => outlet.put(bytes),
            Self::Above(bar) => bar.suspend(|| {
                let _ = io::stderr().lock().write_all(bytes);
            }),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for LogWriter {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_facts_are_readable() {
        let progress = Progress::new(Mode::Never, true);
        let facts = |seconds, left| progress.count().facts(Duration::from_secs(seconds), Duration::from_secs(left));
        assert_eq!(facts(0, 0), "reading 0 pages  0 sessions  0/s  0:00");
        progress.expect(10_000);
        for _ in 0..1_234 {
            progress.page(100);
        }
        assert_eq!(facts(10, 71), "reading 1,234/10,000 pages  123,400 sessions  12,340/s  0:10  1:11 left");
        progress.phase("publishing", 12);
        progress.step();
        assert_eq!(facts(3725, 3), "publishing 1/12  1:02:05  0:03 left");
    }

    #[test]
    fn a_run_that_goes_on_counts_on() {
        let progress = Progress::new(Mode::Never, true);
        progress.go_on(40, 4_000);
        progress.expect(3);
        progress.page(100);
        let facts = progress.count().facts(Duration::from_secs(10), Duration::from_secs(20));
        assert_eq!(facts, "reading 41/43 pages  4,100 sessions  10/s  0:10  0:20 left");
    }

    #[test]
    fn many_threads_may_count() {
        let progress = Progress::new(Mode::Auto, false);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1_000).for_each(|_| progress.page(3)));
            }
        });
        let count = { *progress.count() };
        assert_eq!((count.done, count.sessions), (4_000, 12_000));
    }

    #[test]
    fn lines_are_far_apart() {
        let mut count = { *Progress::new(Mode::Auto, false).count() };
        let since = count.since;
        let mut due = |seconds| count.step(since + Duration::from_secs(seconds)).1;
        assert_eq!([1, 9, 10, 11, 19, 25, 30].map(&mut due), [false, false, true, false, false, true, false]);
    }
}
