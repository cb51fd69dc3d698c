//! Which staged rows win, and which published rows they supersede; in bounded memory, before any file is swapped.
//!
//! Identities are compared by the 128-bit hash of the id, a range of hashes at a time.

use std::collections::BTreeMap;

use super::layout::Partition;
use super::published::Published;
use crate::error::Result;
use crate::stage::{Identity, Stage};
use crate::walk::Tally;

/// Identities held in memory at once (48 bytes each).
const AT_ONCE: u64 = 1 << 20;

/// One bit a row.
#[derive(Debug, Clone, Default)]
pub struct Bits(Vec<u64>);

impl Bits {
    fn set(&mut self, index: u64) {
        let word = usize::try_from(index / 64).unwrap_or(usize::MAX);
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (index % 64);
    }

    /// Whether a row's bit is set.
    pub fn has(&self, index: u64) -> bool {
        let word = usize::try_from(index / 64).unwrap_or(usize::MAX);
        self.0.get(word).is_some_and(|bits| bits >> (index % 64) & 1 == 1)
    }
}

/// What the identity checks found.
#[derive(Debug, Default)]
pub struct Resolution {
    /// Staged rows that lost against another version of their id.
    pub lost: Bits,
    /// Published rows whose session is staged, by partition.
    pub superseded: BTreeMap<Partition, Bits>,
    /// Sessions that are still running by their latest version.
    pub open: u64,
    /// Counts over the responses that belong to the walk as it ended.
    pub tally: Tally,
}

/// Resolves every staged identity, and looks for it in what is published. Only responses from number `since` on count.
pub fn resolve(stage: &Stage, published: &[Published], since: u64) -> Result<Resolution> {
    let mut resolution = Resolution::default();
    let passes = stage.sessions().div_ceil(AT_ONCE);
    for pass in 0..passes {
        let mut held = Vec::new();
        stage.identities(|identity| {
            if pass_of(identity.id, passes) == pass {
                held.push(identity);
            }
        })?;
        held.sort_unstable_by_key(|identity| (identity.id, std::cmp::Reverse(identity.rank)));
        for versions in held.chunk_by(|a, b| a.id == b.id) {
            resolution.open += u64::from(versions[0].is_open());
            versions[1..].iter().for_each(|loser| resolution.lost.set(loser.ordinal));
            let mut counted = versions.iter().filter(|version| version.response() >= since);
            if let Some(first) = counted.next() {
                resolution.tally.distinct += 1;
                resolution.tally.moved += u64::from(counted.any(|version| version.start != first.start));
            }
        }
        supersede(&held, pass, passes, published, &mut resolution.superseded)?;
    }
    Ok(resolution)
}

fn supersede(
    held: &[Identity],
    pass: u64,
    passes: u64,
    published: &[Published],
    superseded: &mut BTreeMap<Partition, Bits>,
) -> Result<()> {
    for part in published {
        let bits = superseded.entry(part.partition()).or_default();
        part.each_id(|row, id| {
            if pass_of(id, passes) == pass && held.binary_search_by_key(&id, |identity| identity.id).is_ok() {
                bits.set(row);
            }
        })?;
    }
    Ok(())
}

#[allow(clippy::cast_possible_truncation)] // the upper half of the hash, and a number below `passes`
fn pass_of(id: u128, passes: u64) -> u64 {
    ((u128::from((id >> 64) as u64) * u128::from(passes)) >> 64) as u64
}
