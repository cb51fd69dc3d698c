//! One session in two places: ids are compared over all partitions by their 128-bit hashes, a range of hashes at a
//! time, so that memory does not grow with the dataset.

use std::collections::{BTreeMap, BTreeSet};

use super::findings::Findings;
use crate::dataset::identity::{AT_ONCE, pass_of};
use crate::dataset::layout::Layout;
use crate::dataset::published::Published;
use crate::dataset::state;
use crate::error::{Kind, Result};
use crate::rows::partition::Partition;
use crate::rows::tables::Table;
use crate::words::id;
use crate::words::stop::Stop;

/// Two places that share sessions: how many, and the hash of one of them.
type Shared = BTreeMap<(Partition, Partition), (u64, u128)>;

/// Looks for ids that occur twice among the sessions of these partitions, `sessions` in all. Those that are `moving` may be
/// in two.
///
/// # Errors
/// `Raced`, `Destination`; the signal's kind.
pub fn check(
    layout: &Layout,
    published: &[Published],
    (sessions, moving): (u64, &BTreeSet<u128>),
    stop: &Stop,
    findings: &mut Findings,
) -> Result<()> {
    let mut on_their_way = 0_u64;
    let mut shared = Shared::new();
    let passes = sessions.div_ceil(AT_ONCE);
    for pass in 0..passes {
        let mut held = Vec::new();
        for part in published {
            stop.check()?;
            let read = part.each_session(|_, known| {
                let id = id::hash(known.id);
                if pass_of(id, passes) == pass {
                    held.push((id, part.partition()));
                }
            });
            match read {
                // What can't be read has been told already.
                Err(error) if error.kind() == Kind::Unreadable => {}
                read => read?,
            }
        }
        held.sort_unstable();
        for pair in held.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
            if moving.contains(&pair[0].0) && pair[0].1 != pair[1].1 {
                on_their_way += 1;
                continue;
            }
            let entry = shared.entry((pair[0].1, pair[1].1)).or_insert((0, pair[0].0));
            entry.0 += 1;
        }
    }
    if on_their_way > 0 {
        let what = format!(
            "{on_their_way} sessions are on their way to another partition and in both; the next run ends that"
        );
        findings.notice(&state::path(), &what);
    }
    for (pair, (count, hash)) in shared {
        let id = name(published, pair.0, hash)?;
        tell(layout, pair, count, &id, findings);
    }
    Ok(())
}

/// The id behind a hash, in a partition that has it.
fn name(published: &[Published], partition: Partition, hash: u128) -> Result<String> {
    let mut name = String::new();
    for part in published.iter().filter(|part| part.partition() == partition) {
        part.each_session(|_, known| {
            if id::hash(known.id) == hash {
                known.id.clone_into(&mut name);
            }
        })?;
    }
    Ok(name)
}

/// Tells of a session that is in two places, at both of them.
fn tell(layout: &Layout, (a, b): (Partition, Partition), count: u64, id: &str, findings: &mut Findings) {
    let path = |partition| layout.relative(Table::Sessions, partition);
    let more = if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() };
    if a == b {
        return findings.damage(Some(a), &path(a), &format!("a session is in it twice: session {id}{more}"));
    }
    for (here, there) in [(a, b), (b, a)] {
        let what = format!("a session is also in {}: session {id}{more}", path(there));
        findings.damage(Some(here), &path(here), &what);
    }
}
