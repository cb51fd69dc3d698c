//! A store that fails or has the process die at a chosen step, for tests.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Access, Draft, Form, Store, Survey, Swap, Version, failed};
use crate::error::Result;
use crate::words::stop::Stop;

/// What goes wrong, and at which step; steps are counted from 1: one before and one after each change of a file, and for
/// faults one before each reading as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Faults {
    /// The process dies there, as by SIGKILL.
    Die(u64),
    /// The step fails, and so does everything after it.
    Break(u64),
    /// The step fails, and what comes after it does not.
    Fail(u64),
}

impl Faults {
    /// Reads `die:7`, `break:7` or `fail:7`; steps count from 1.
    pub fn parse(text: &str) -> Option<Self> {
        let (what, step) = text.split_once(':')?;
        let step = step.parse().ok()?;
        match what {
            "die" => Some(Self::Die(step)),
            "break" => Some(Self::Break(step)),
            "fail" => Some(Self::Fail(step)),
            _ => None,
        }
    }
}

/// The operating system's number for a disk that fails.
const EIO: i32 = 5;

/// A store that counts its steps and plays a fault at one of them: `die:7` ends the process at the seventh.
#[derive(Debug)]
pub struct Faulty {
    inner: Arc<dyn Store>,
    faults: Faults,
    steps: AtomicU64,
}

impl Faulty {
    /// Puts faults in front of a store.
    pub const fn new(inner: Arc<dyn Store>, faults: Faults) -> Self {
        Self { inner, faults, steps: AtomicU64::new(0) }
    }

    /// Reading changes nothing: to die before it is to die after the change before it.
    fn reads(&self, what: &str, path: &str) -> Result<()> {
        if matches!(self.faults, Faults::Die(_)) { Ok(()) } else { self.step(what, path) }
    }

    fn step(&self, what: &str, path: &str) -> Result<()> {
        let step = self.steps.fetch_add(1, Ordering::SeqCst) + 1;
        let broken = match self.faults {
            Faults::Die(at) if at == step => std::process::abort(),
            Faults::Break(at) => step >= at,
            Faults::Fail(at) => step == at,
            Faults::Die(_) => false,
        };
        if broken {
            let cause = std::io::Error::from_raw_os_error(EIO);
            return Err(failed(&format!("cannot {what} the file (step {step})"), self.place(path), cause));
        }
        Ok(())
    }
}

impl Store for Faulty {
    fn place(&self, path: &str) -> String {
        self.inner.place(path)
    }

    fn list(&self, folder: &str) -> Result<Vec<(String, Version)>> {
        self.reads("list", folder)?;
        self.inner.list(folder)
    }

    fn open(&self, path: &str) -> Result<Option<(File, Version)>> {
        self.reads("open", path)?;
        self.inner.open(path)
    }

    fn begin(&self, path: &str) -> Result<Draft> {
        self.step("begin", path)?;
        self.inner.begin(path)
    }

    fn flush(&self, draft: &mut Draft) -> Result<()> {
        self.inner.flush(draft)
    }

    fn swap(&self, draft: Draft, expected: Option<&Version>, access: Access) -> Result<Swap> {
        let path = draft.path.clone();
        self.step("replace", &path)?;
        let swapped = self.inner.swap(draft, expected, access)?;
        self.step("have replaced", &path)?;
        Ok(swapped)
    }

    fn copy(&self, from: &str, to: &str, expected: Option<&Version>) -> Result<Swap> {
        self.step("copy", to)?;
        let copied = self.inner.copy(from, to, expected)?;
        self.step("have copied", to)?;
        Ok(copied)
    }

    fn set_aside(&self, path: &str, aside: &str) -> Result<bool> {
        self.step("set aside", path)?;
        let was_there = self.inner.set_aside(path, aside)?;
        self.step("have set aside", path)?;
        Ok(was_there)
    }

    fn remove(&self, path: &str) -> Result<()> {
        self.step("remove", path)?;
        self.inner.remove(path)?;
        self.step("have removed", path)
    }

    fn survey(&self, folders: &[&str], form: fn(&str) -> Option<Form>, sweep: bool) -> Result<Survey> {
        self.inner.survey(folders, form, sweep)
    }

    fn folder(&self) -> Option<&Path> {
        self.inner.folder()
    }

    fn heed(&self, stop: &Stop) {
        self.inner.heed(stop);
    }
}
