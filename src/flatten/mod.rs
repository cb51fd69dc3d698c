//! Sessions to rows: one pass over a page of borrowed JSON, straight into Arrow builders, attendance included.
//!
//! Pure. Knows nothing of files or partitions. Rows come out sorted by (start, nulls first; id, bytewise), so that
//! everything behind this stage merges sorted runs and never sorts rows.

mod builders;
mod persons;
mod rejects;
mod session;
mod values;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::RecordBatch;
use sha2::{Digest, Sha256};

use crate::api::mend::{self, Mended};
use crate::api::model::{self, Page, Session, ShapeError};
use crate::erasure::Denied;
use crate::facts::Facts;
use crate::range::Kept;
use crate::walk::{self, Listed, PageInfo};
use rejects::Rejected;
pub use rejects::{Of, Reject};
use session::Flattener;

/// What of a session the rows depend on besides the session itself.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Fill `extra` with the fields unknown to this version.
    pub keep_unknown_fields: bool,
    /// Which sessions get rows.
    pub kept: Kept,
    /// And of which meeting; of all where there is none.
    pub meeting: Option<Arc<str>>,
    /// When the page was answered, in microseconds since 1970: `observed_at` of open sessions.
    pub observed_at: i64,
    /// Participants who get no rows, as if they were not listed.
    pub denied: Option<Arc<Denied>>,
}

impl Options {
    /// Whether a session is known to be of another meeting than the one that is wanted. Ids that differ in case alone
    /// may be one to the server.
    fn is_foreign(&self, session: &Session<'_>) -> bool {
        let Some(wanted) = &self.meeting else { return false };
        session.meeting_id.text().is_some_and(|id| !id.eq_ignore_ascii_case(wanted))
    }
}

/// One session row's identity, parallel to the rows of the sessions batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// 128-bit hash of the id.
    pub id: u128,
    /// The start.
    pub start: Option<i64>,
    /// Still running.
    pub is_open: bool,
    /// How much of it is filled in.
    pub facts: Facts,
    /// Position in the page.
    pub position: u32,
}

/// A page as rows.
#[derive(Debug)]
pub struct Flat {
    /// Sessions, participants and timelogs in their staged schemas, in one order.
    pub batches: [RecordBatch; 3],
    /// One entry a row of the sessions.
    pub entries: Vec<Entry>,
    /// The server's words on the page.
    pub info: PageInfo,
    /// What the page lists, in list order.
    pub listed: Vec<Listed>,
    /// Those of them that get no row.
    pub cut: Vec<Listed>,
    /// How many are of another meeting than the one that was asked for.
    pub foreign: u64,
    /// Ids of some sessions that it lists: the first, one from the middle, the last.
    pub some: Vec<String>,
    /// Records without a usable id; they have no row.
    pub unusable: u64,
    /// What to keep raw.
    pub rejects: Vec<Reject>,
    /// Names of fields unknown to this version, and how often they occurred.
    pub unknown: BTreeMap<String, u64>,
}

/// The hash by which an id is known in the walk and the identity checks: the first 128 bits of its SHA-256. Whoever names
/// participants or sessions can't make two ids that are taken for one, and stages of several machines agree.
pub fn identity(id: &str) -> u128 {
    let mut first = [0; 16];
    first.iter_mut().zip(Sha256::digest(id.as_bytes())).for_each(|(place, byte)| *place = byte);
    u128::from_be_bytes(first)
}

/// Turns a response's body into rows.
///
/// # Errors
/// [`ShapeError`] where the body is not a page of sessions; nothing less than that fails a page.
pub fn page(body: &[u8], options: &Options) -> Result<Flat, FlattenError> {
    let mended = mend::utf8(body);
    let mended = match model::page(&mended.text) {
        Ok(page) if !page.lists.has_long_numbers => return rows(&page, &mended, options),
        Ok(_) => mend::long_numbers(mended),
        Err(ShapeError::NoData) => return Err(ShapeError::NoData.into()),
        Err(ShapeError::Json(_)) => mend::refused(mended),
    };
    rows(&model::page(&mended.text)?, &mended, options)
}

/// Why a body could not become rows.
#[derive(Debug, thiserror::Error)]
pub enum FlattenError {
    /// Not a page of sessions.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// More rows than a batch can hold.
    #[error(transparent)]
    Arrow(#[from] arrow_schema::ArrowError),
}

fn rows(page: &Page<'_>, mended: &Mended<'_>, options: &Options) -> Result<Flat, FlattenError> {
    let listed = page.sessions.of(&page.lists.sessions);
    let mut sessions = Vec::with_capacity(listed.len());
    let mut without_id = Vec::new();
    let mut unusable = 0;
    for (index, session) in listed.iter().enumerate() {
        if let Some((session, id)) = session.as_ref().and_then(|session| Some((session, session.id.text()?))) {
            let start = session::start(session);
            sessions.push(Found { index, hash: identity(&id), id, start, session });
            continue;
        }
        unusable += 1;
        let start = session.as_ref().and_then(session::start);
        let is_foreign = session.as_ref().is_some_and(|session| options.is_foreign(session));
        if !is_foreign && (start.is_none() || options.kept.has(start)) {
            without_id.push(index);
        }
    }
    let mut rejected: Vec<_> = without_id.into_iter().map(|index| Rejected::without_id(index, &sessions)).collect();
    let listed = sessions.iter().map(Found::listed).collect();
    let some = some(&sessions);
    let foreign = sessions.iter().filter(|found| options.is_foreign(found.session)).count() as u64;
    let keeps = |found: &Found<'_>| options.kept.has(found.start) && !options.is_foreign(found.session);
    let cut = sessions.iter().filter(|found| !keeps(found)).map(Found::listed).collect();
    sessions.retain(keeps);
    sessions.sort_by(|a, b| (a.start, a.id.as_bytes()).cmp(&(b.start, b.id.as_bytes())));

    let mut flattener = Flattener::new(options, &page.lists);
    let mut entries = Vec::with_capacity(sessions.len());
    for found in &sessions {
        let Found { index, hash, id, start, session } = found;
        let row = flattener.session(id, session, mended.touched.contains(index));
        let position = u32::try_from(*index).unwrap_or(u32::MAX);
        entries.push(Entry { id: *hash, start: *start, is_open: row.is_open, facts: row.facts, position });
        if row.anomalies.is_reject() {
            let names = row.anomalies.iter().map(crate::anomaly::Anomaly::name).collect::<Vec<_>>();
            rejected.push(Rejected::of_session(found, names.join(",")));
        }
    }
    let (batches, unknown) = flattener.finish()?;
    let rejects = rejects::rejects(rejected, &mended.text, options.denied.as_deref());
    Ok(Flat { batches, entries, info: page.info, listed, cut, foreign, some, unusable, rejects, unknown })
}

/// The first, one from the middle, and the last.
fn some(sessions: &[Found<'_>]) -> Vec<String> {
    let mut places = [Some(0), sessions.len().checked_div(2), sessions.len().checked_sub(1)].to_vec();
    places.dedup();
    places.into_iter().flatten().filter_map(|at| Some(sessions.get(at)?.id.clone().into_owned())).collect()
}

struct Found<'a> {
    index: usize,
    hash: u128,
    id: Cow<'a, str>,
    start: Option<i64>,
    session: &'a Session<'a>,
}

impl Found<'_> {
    /// The session as the walk knows it.
    fn listed(&self) -> Listed {
        Listed { id: self.hash, start: self.start, end: session::end(self.session), rank: walk::rank(&self.id) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_known_by_the_same_number_on_every_machine() {
        // FIPS 180-4, its first example.
        assert_eq!(identity("abc"), 0xba78_16bf_8f01_cfea_4141_40de_5dae_2223);
    }
}
