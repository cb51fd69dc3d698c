//! Groups of processes that this one has begun, and that must not outlive it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process_group};

/// The groups that live.
static LIVING: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

fn living() -> MutexGuard<'static, Vec<Pid>> {
    LIVING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A program that leads a group of its own, with all that it has begun. Killed when this is dropped.
#[derive(Debug)]
pub struct Group(Pid);

impl Group {
    /// The group that a process leads; `None` for a number that no process has.
    pub fn led_by(leader: u32) -> Option<Self> {
        let leader = Pid::from_raw(i32::try_from(leader).ok()?)?;
        living().push(leader);
        Some(Self(leader))
    }

    /// Asks all of the group to end: SIGTERM.
    pub fn ask_to_end(&self) {
        let _ = kill_process_group(self.0, Signal::TERM);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = kill_process_group(self.0, Signal::KILL);
        living().retain(|leader| *leader != self.0);
    }
}

/// Kills all groups that live, for a process that ends at once.
pub fn end_all() {
    for leader in living().drain(..) {
        let _ = kill_process_group(leader, Signal::KILL);
    }
}
