//! Sessions to rows: one pass over a page of borrowed JSON, straight into Arrow builders. Attendance is counted when the
//! rows are read back ([`crate::rows::count`]).
//!
//! Pure. Knows nothing of files or partitions. Rows come out sorted by (start, nulls first; id, bytewise), so that
//! everything behind this stage merges sorted runs and never sorts rows.

mod builders;
mod extra;
mod rejects;
mod session;
mod values;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::RecordBatch;
use bytes::Bytes;

use crate::list::{Listed, PageInfo, rank};
use crate::rows::anomaly::{self, Anomaly};
use crate::rows::chunk::{self, Chunk};
use crate::rows::erasure::Denied;
use crate::rows::facts::Facts;
use crate::rows::lenient::Scalar;
use crate::rows::mend::{self, Mended};
use crate::rows::method::Method;
use crate::rows::model::{self, Limits, Names, Page, Session, ShapeError};
use crate::rows::tables::{Tables, sessions};
use crate::words::id;
use crate::words::limits;
use crate::words::range::Kept;
use rejects::Rejected;
pub use rejects::{Of, Reject};
use session::{Flattener, Row};

/// What of a session the rows depend on besides the session itself.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// How much of an answer is read, and whether `extra` is filled with the fields unknown to this version.
    pub limits: Limits,
    /// Which sessions get rows.
    pub kept: Kept,
    /// And of which meeting; of all where there is none.
    pub meeting: Option<Arc<str>>,
    /// When the page was answered, in microseconds since 1970: `observed_at` of open sessions.
    pub observed_at: i64,
    /// Participants who get no rows, as if they were not listed.
    pub denied: Option<Arc<Denied>>,
    /// What may be written down, and who is one human.
    pub method: Arc<Method>,
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
    /// When the session began, in microseconds since 1970, UTC; `None` where the start is missing or can't be read.
    pub start: Option<i64>,
    /// Whether the session still runs: no end is listed, and its `status` is not `ended`.
    pub is_open: bool,
    /// How much of it is filled in.
    pub facts: Facts,
    /// The session's place in the page's `data`, from 0.
    pub position: u32,
}

/// A page as rows.
#[derive(Debug)]
pub struct Flat {
    /// Sessions, participants and timelogs in their staged schemas, in one order.
    pub batches: Tables<RecordBatch>,
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
    /// Records without a usable id, and those behind the last that is read; they have no row.
    pub unusable: u64,
    /// Records behind the last that is read.
    pub surplus: u64,
    /// Records that are kept raw, since all or part of each could not become a row.
    pub rejects: Vec<Reject>,
    /// How often each field was read that this version does not know.
    pub unknown: Names,
}

impl Flat {
    /// Bytes that it takes in memory, as far as they matter.
    pub fn memory(&self) -> usize {
        let batches: usize = self.batches.values().map(RecordBatch::get_array_memory_size).sum();
        let raw: usize = self.rejects.iter().map(|reject| reject.raw.len()).sum();
        batches + raw + self.listed.len() * size_of::<Listed>()
    }
}

/// The id as text: a text or a whole number, never empty nor too long.
pub fn usable_id<'a>(id: &'a Scalar<'_>) -> Option<Cow<'a, str>> {
    id.text().filter(|id| (1..=limits::ID).contains(&id.len()))
}

/// Bytes of memory that turning a body into rows takes about, the body included.
pub fn weight(body: &[u8], limits: &Limits) -> usize {
    /// What a realistic record takes besides its text.
    const OBJECT: usize = 64;
    let objects = memchr::memchr_iter(b'{', body).count().saturating_mul(OBJECT);
    body.len() + objects.min(limits.room)
}

/// Turns a response's body into rows: a page, or one session. The body goes as soon as it is not needed.
///
/// # Errors
/// [`Unread`] where the body is not a page of sessions; nothing less than that fails a page.
pub fn page(body: impl Into<Bytes>, options: &Options) -> Result<Flat, Unread> {
    let body = body.into();
    let mended = match simdutf8::basic::from_utf8(without_mark(&body)) {
        Ok(text) => match read(text, &BTreeSet::new(), options) {
            Ok(Read::Rows(flat)) => return Ok(*flat),
            Ok(Read::Mended(mended)) => mended,
            Err(error) => return Err(Unread { error, body }),
        },
        Err(_) => return not_unicode(body, options),
    };
    drop(body);
    read_mended(mended, options)
}

/// The same of a body that is not UTF-8. Several times as slow: every byte is looked at.
fn not_unicode(body: Bytes, options: &Options) -> Result<Flat, Unread> {
    let Some(Mended { text, touched }) = mend::utf8(without_mark(&body), &options.limits) else {
        return Err(Unread { error: ShapeError::Broken.into(), body });
    };
    drop(body);
    let mended = match read(&text, &touched, options) {
        Ok(Read::Rows(flat)) => return Ok(*flat),
        Ok(Read::Mended(mended)) => mended,
        Err(error) => return Err(Unread { error, body: text.into() }),
    };
    drop(text);
    read_mended(mended, options)
}

/// A body without the byte order mark that some servers put before it.
fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

/// What a text is at its first reading.
enum Read {
    Rows(Box<Flat>),
    /// Not yet: mended, it must be read again.
    Mended(Mended),
}

fn read(text: &str, touched: &BTreeSet<usize>, options: &Options) -> Result<Read, FlattenError> {
    let mended = match model::page(text, &options.limits) {
        Ok(page) if !page.lists.has_long_numbers => {
            return Ok(Read::Rows(Box::new(rows(page, text, touched, options)?)));
        }
        Ok(_) => mend::long_numbers(text, &options.limits),
        Err(ShapeError::Json(_)) if mend::can_be_mended(text) => mend::refused(text, &options.limits),
        Err(error) => return Err(error.into()),
    };
    let mut mended = mended.ok_or(ShapeError::Broken)?;
    mended.touched.extend(touched);
    Ok(Read::Mended(mended))
}

fn read_mended(mended: Mended, options: &Options) -> Result<Flat, Unread> {
    let Mended { text, touched } = mended;
    let page = model::page(&text, &options.limits).map_err(FlattenError::from);
    let flat = page.and_then(|page| Ok(rows(page, &text, &touched, options)?));
    flat.map_err(|error| Unread { error, body: text.into() })
}

/// A body that could not become rows.
#[derive(Debug)]
pub struct Unread {
    /// Why no row could be made of the body.
    pub error: FlattenError,
    /// The body, mended as far as was tried.
    pub body: Bytes,
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

fn rows(
    page: Page<'_>,
    text: &str,
    touched: &BTreeSet<usize>,
    options: &Options,
) -> Result<Flat, arrow_schema::ArrowError> {
    let Page { info, lists, .. } = page;
    let Sorted { mut sessions, mut rejected } = sorted(&lists.sessions, &lists.no_objects, options);
    let unusable = (lists.sessions.len() - sessions.len() + lists.no_objects.len()) as u64;
    let listed = sessions.iter().map(Found::listed).collect();
    let some = some(&sessions);
    let foreign = sessions.iter().filter(|found| options.is_foreign(found.session)).count() as u64;
    let keeps = |found: &Found<'_>| options.kept.has(found.start) && !options.is_foreign(found.session);
    let cut = sessions.iter().filter(|found| !keeps(found)).map(Found::listed).collect();
    sessions.retain(keeps);
    sessions.sort_by(|a, b| (a.start, a.id.as_bytes()).cmp(&(b.start, b.id.as_bytes())));

    let mut flattener = Flattener::new(options, &lists);
    let mut entries = Vec::with_capacity(sessions.len());
    let mut odd = Vec::new();
    for (row, found) in sessions.iter().enumerate() {
        let Found { number, hash, id, start, session } = found;
        let place = session.place as usize;
        let Row { is_open, facts, anomalies } = flattener.session(id, *number, touched.contains(&place));
        entries.push(Entry { id: *hash, start: *start, is_open, facts, position: session.place });
        if anomalies.is_reject() {
            odd.push(row);
        }
    }
    let batches = flattener.finish()?;
    for (row, names) in named(&batches, &odd)? {
        rejected.push(Rejected::of_session(&sessions[row], names));
    }
    drop(sessions);
    let (surplus, unknown) = (lists.surplus, lists.unknown.names());
    let unknown = if options.method.privacy.columns().protect_any() { unknown.of_kinds() } else { unknown };
    let rejects = rejects::raw(rejected, text, options);
    let unusable = unusable + surplus;
    Ok(Flat { batches, entries, info, listed, cut, foreign, some, unusable, surplus, rejects, unknown })
}

/// The names of all that is odd about some sessions of staged rows, as they are published.
fn named(batches: &Tables<RecordBatch>, rows: &[usize]) -> Result<Vec<(usize, String)>, arrow_schema::ArrowError> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let (offsets, method) = (chunk::offsets(&batches.sessions), Method::default());
    let of = |row: &usize| {
        let session = Chunk::widen(&chunk::slice(batches, &offsets, *row, row + 1), &method)?;
        let sets = anomaly::sets(sessions::anomalies(&session.batches().sessions));
        let names = sets.iter().flat_map(|set| set.iter().map(Anomaly::name));
        Ok((*row, names.collect::<Vec<_>>().join(",")))
    };
    rows.iter().map(of).collect()
}

/// The records of a page by whether they have a usable id.
struct Sorted<'a> {
    sessions: Vec<Found<'a>>,
    /// The others that matter to a run.
    rejected: Vec<Rejected>,
}

fn sorted<'a>(records: &'a [Session<'a>], no_objects: &[usize], options: &Options) -> Sorted<'a> {
    let mut sessions = Vec::with_capacity(records.len());
    let mut without_id: Vec<_> = no_objects.iter().map(|place| (*place, rejects::NO_USABLE_ID)).collect();
    for (number, session) in records.iter().enumerate() {
        let start = session.start.at();
        if let Some(id) = usable_id(&session.id) {
            sessions.push(Found { number, hash: id::hash(&id), id, start, session });
        } else if !options.is_foreign(session) && (start.is_none() || options.kept.has(start)) {
            without_id.push((session.place as usize, rejects::without_id(&session.id)));
        }
    }
    let rejected = without_id.into_iter().map(|(place, why)| Rejected::without_id(place, why, &sessions)).collect();
    Sorted { sessions, rejected }
}

/// The first, one from the middle, and the last.
fn some(sessions: &[Found<'_>]) -> Vec<String> {
    let mut places = [Some(0), sessions.len().checked_div(2), sessions.len().checked_sub(1)].to_vec();
    places.dedup();
    places.into_iter().flatten().filter_map(|at| Some(sessions.get(at)?.id.clone().into_owned())).collect()
}

struct Found<'a> {
    /// Index of the session in the page's `Lists::sessions`.
    number: usize,
    hash: u128,
    id: Cow<'a, str>,
    start: Option<i64>,
    session: &'a Session<'a>,
}

impl Found<'_> {
    /// The session as the walk knows it.
    fn listed(&self) -> Listed {
        Listed { id: self.hash, start: self.start, end: self.session.end.at(), rank: rank(&self.id) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_of_the_erased_alone_takes_as_long_as_its_length() {
        use std::time::{Duration, Instant};

        use crate::rows::erasure::Identifier;

        let mut denied = Denied::nobody(b"key").unwrap();
        denied.add(Identifier::ExactName, denied.hash(Identifier::ExactName, "n"), 1);
        let options = Options { denied: Some(Arc::new(denied)), ..Options::default() };
        let participants = vec![r#"{"name":"n"}"#; 100_000].join(",");
        let begun = Instant::now();
        let flat = page(format!(r#"{{"data":[{{"id":"a","participants":[{participants}]}}]}}"#), &options).unwrap();
        assert_eq!((flat.entries.len(), flat.batches.participants.num_rows(), flat.rejects.len()), (1, 0, 0));
        // By the square of its length it would take minutes.
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    }
}
