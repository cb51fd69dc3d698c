//! `_rollbook/erasures.json`: what must never come back, whatever happens to the state.
//!
//! The retention floor and the erased participants. A run without them would bring back what was purged, so a file that is
//! damaged, missing or older than what the dataset has seen is an error.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::encode::hexadecimal;
use super::layout::Layout;
use crate::erasure::{Denied, Hash, Identifier};
use crate::error::{Error, Kind, Result};
use crate::store::{Access, Swap, Version, failed, raced};
use crate::timestamp;

/// The file's own form.
const FORM: u32 = 1;

/// What was purged for good.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Erasures {
    form: u32,
    /// Counts the purges that added something.
    epoch: u64,
    /// Of the hashes, in hexadecimal.
    key: String,
    /// Sessions that started before this are not kept.
    before: Option<String>,
    /// Hashes of names and ids, in hexadecimal.
    denied: BTreeSet<String>,
    #[serde(skip)]
    version: Option<Version>,
}

/// What a purge adds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Erase {
    /// Sessions that started before this, in microseconds.
    pub before: Option<i64>,
    /// Participants.
    pub people: Vec<(Identifier, String)>,
}

impl Erasures {
    /// Reads what was purged. `epoch`: the last one that the dataset has seen.
    ///
    /// # Errors
    /// `Unreadable` where it is damaged, old, or not there though it was; `Destination`; `Config` where a newer version wrote it.
    pub fn load(layout: &Layout, epoch: u64) -> Result<Self> {
        let place = layout.store().place(&path());
        let lost = |what: &str| {
            Error::new(Kind::Unreadable, format!("{what}: {place}"))
                .hint("put the file back from the latest copy of the dataset; without it, purged data would return")
        };
        let Some((text, version)) = layout.store().read(&path())? else {
            return if epoch == 0 { Ok(Self::default()) } else { Err(lost("the list of erasures is missing")) };
        };
        let parsed = serde_json::from_slice::<Self>(&text);
        let erasures = parsed.map_err(|error| lost("the list of erasures is damaged").because(error))?;
        if erasures.form > FORM {
            return Err(Error::new(
                Kind::Config,
                format!("a newer version of rollbook wrote the list of erasures: {place}"),
            )
            .hint("use that version"));
        }
        if erasures.epoch < epoch {
            return Err(lost("the list of erasures is an old copy"));
        }
        let has_all = erasures.bytes().is_some() && (erasures.before.is_none() || erasures.floor().is_some());
        if has_all {
            Ok(Self { version: Some(version), ..erasures })
        } else {
            Err(lost("the list of erasures is damaged"))
        }
    }

    /// Its number, which grows; 0 where nothing was ever purged.
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Sessions that started before this are not kept, in microseconds.
    pub fn floor(&self) -> Option<i64> {
        timestamp::parse(self.before.as_deref()?)
    }

    /// Who is not kept; `None` where that is nobody.
    ///
    /// # Errors
    /// `Unexpected` where the key can't be used.
    pub fn denied(&self) -> Result<Option<Arc<Denied>>> {
        if self.denied.is_empty() {
            return Ok(None);
        }
        let (key, hashes) = self.bytes().unwrap_or_default();
        Ok(Some(Arc::new(Denied::new(&key, hashes)?)))
    }

    fn bytes(&self) -> Option<(Vec<u8>, BTreeSet<Hash>)> {
        let hash = |text: &String| bytes(text)?.try_into().ok();
        Some((bytes(&self.key)?, self.denied.iter().map(hash).collect::<Option<_>>()?))
    }

    /// Adds to what is not kept; says whether that is new. `key`: fresh, for a dataset in which nobody was erased yet.
    ///
    /// # Errors
    /// `Unexpected` where the key can't be used.
    pub fn add(&mut self, erase: &Erase, key: Hash) -> Result<bool> {
        if self.key.is_empty() {
            self.key = hexadecimal(&key);
        }
        let before = (self.before.clone(), self.denied.len());
        if let Some(floor) = erase.before.filter(|&floor| self.floor().is_none_or(|before| before < floor)) {
            self.before = Some(timestamp::text(floor));
        }
        let (key, _) = self.bytes().unwrap_or_default();
        let keyed = Denied::new(&key, BTreeSet::new())?;
        self.denied.extend(erase.people.iter().map(|(by, text)| hexadecimal(&keyed.hash(*by, text))));
        let is_new = before != (self.before.clone(), self.denied.len());
        self.epoch += u64::from(is_new);
        Ok(is_new)
    }

    /// Stores it.
    ///
    /// # Errors
    /// `Raced` where another purge came between; `Destination`.
    pub fn store(&mut self, layout: &Layout) -> Result<()> {
        self.form = FORM;
        let place = layout.store().place(&path());
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| failed("cannot write the list of erasures", &place, error))?;
        let draft = layout.store().draft(&path(), format!("{text}\n").as_bytes())?;
        match layout.store().swap(draft, self.version.as_ref(), Access::Private)? {
            Swap::Done(version) => self.version = Some(version),
            Swap::Lost => return Err(raced(&place)),
        }
        Ok(())
    }
}

/// Where it is, relative to the dataset.
pub fn path() -> String {
    Layout::own("erasures.json")
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let pair = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    (0..text.len()).step_by(2).map(pair).collect()
}
