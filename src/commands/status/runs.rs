//! How the last runs went, by their receipts: the last of all, and the last that has shown that nothing was missed.

use super::notice::Notice;
use crate::dataset::layout::Layout;
use crate::dataset::receipt::newest::{self, Run};
use crate::error::Result;
use crate::words::timestamp;

/// So far, in microseconds, clocks of two machines may differ before a time counts as one in the future.
const APART: i64 = 5 * 60 * 1_000_000;

/// The runs that matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Runs {
    /// The last one, whatever it was.
    pub last: Option<Run>,
    /// The last one that has shown that nothing was missed.
    pub proven: Option<Run>,
}

/// Reads receipts, the newest first, as far as is needed. `now` in microseconds: a run that ended later shows nothing, since its
/// clock, or this one, is wrong.
///
/// # Errors
/// `Destination`.
pub fn look(layout: &Layout, now: i64, notices: &mut Vec<Notice>) -> Result<Runs> {
    let mut runs = Runs::default();
    let (mut ahead, mut unread): (Vec<(String, Run)>, Vec<String>) = Default::default();
    newest::each(layout, |path, run| {
        let Some(run) = run else {
            unread.push(path);
            return false;
        };
        match ended_at(&run) {
            None => unread.push(path),
            Some(ended) if ended > now.saturating_add(APART) => ahead.push((path, run)),
            Some(_) => {
                runs.proven = Some(run.clone()).filter(Run::is_proof);
                runs.last.get_or_insert(run);
            }
        }
        runs.proven.is_some()
    })?;
    if let Some(path) = unread.first() {
        let what = format!("the receipt can't be read{}", others(unread.len(), "receipts"));
        notices.push(Notice::new(path, what, "see how that run ended in its log; no later run needs the receipt"));
    }
    if let Some((path, run)) = ahead.first() {
        let more = others(ahead.len(), "runs");
        let what = format!("the run ended in the future by this machine's clock, at {}{more}", run.finished_at);
        notices.push(Notice::new(path, what, "set the clock right; until then that run shows nothing"));
    }
    runs.last = runs.last.or_else(|| ahead.into_iter().next().map(|(_, run)| run));
    Ok(runs)
}

fn others(number: usize, what: &str) -> String {
    if number > 1 { format!(" ({number} such {what})") } else { String::new() }
}

/// When a run was over, in microseconds.
pub fn ended_at(run: &Run) -> Option<i64> {
    timestamp::parse(&run.finished_at)
}
