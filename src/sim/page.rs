//! From a list request to a page: which rows it is, and what `pageInfo` says of it.

use bytes::Bytes;
use hyper::StatusCode;
use url::form_urlencoded;

use super::list::{Filter, List, Row};
use super::options::{Options, PageZero, PastEnd, Total};
use super::prepared::Prepared;
use super::reply::{Reply, refusal};
use super::v2::{self, Version};
use super::wire::{self, Info};

/// The query of a list request, checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) page: Option<u64>,
    pub(super) per_page: Option<u64>,
    pub(super) filter: Filter,
    /// The form of the rows.
    pub(super) version: Version,
    /// A cap for this request alone.
    pub(super) cap: Option<u32>,
}

impl Asked {
    /// Reads the query; whatever is no number where one belongs is refused with 400.
    pub(super) fn parse(version: Version, query: &str) -> Result<Self, Reply> {
        let mut asked = Self { version, ..Self::default() };
        let filter = &mut asked.filter;
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match (version, &*name) {
                (_, "page") => asked.page = Some(number("page", &value)?),
                (_, "perPage") => asked.per_page = Some(number("perPage", &value)?),
                (Version::V1, "meetingId") | (Version::V2, "roomId") => filter.meeting = Some(value.into_owned()),
                (Version::V2, "customRoomId") => filter.custom_room = Some(value.into_owned()),
                (Version::V2, "status") => filter.status = Some(value.into_owned()),
                (Version::V2, "startDate") => {
                    filter.from = Some(number::<i64>("startDate", &value)?.saturating_mul(1000));
                }
                (Version::V2, "endDate") => filter.to = Some(number::<i64>("endDate", &value)?.saturating_mul(1000)),
                _ => {}
            }
        }
        if asked.per_page == Some(0) {
            return Err(refusal(StatusCode::BAD_REQUEST, "perPage must be at least 1"));
        }
        Ok(asked)
    }
}

fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, Reply> {
    value.parse().map_err(|_| refusal(StatusCode::BAD_REQUEST, &format!("{name} must be a number")))
}

/// A page before it is written.
#[derive(Debug, Clone)]
pub(super) struct Page {
    pub(super) version: Version,
    pub(super) info: Info,
    pub(super) rows: Rows,
}

/// A page's rows.
#[derive(Debug, Clone)]
pub(super) enum Rows {
    /// Their JSON, with commas between them.
    Written(Bytes),
    /// Rows one by one.
    Each(Vec<Row>),
}

/// What is at the asked place, as these options have it, or the refusal they ask for.
pub(super) fn resolve(
    options: &Options,
    prepared: Option<&Prepared>,
    list: &List,
    asked: &Asked,
) -> Result<Page, Reply> {
    let chosen = chosen(options, list, &asked.filter);
    let total = chosen.as_ref().map_or(list.len(), |positions| positions.len() as u64);
    let size = page_size(options, asked);
    let base = u64::from(options.page_zero != PageZero::ZeroBased);
    let end = base + total.div_ceil(size).max(1) - 1;
    let page = number_of(options, asked.page, base, end)?;
    let from = (page - base).saturating_mul(size).min(total);
    let to = from.saturating_add(size).min(total);
    let rows = match chosen {
        Some(positions) => Rows::Each(picked(list, &positions, from, to)),
        None => match prepared.filter(|_| asked.version == Version::V1 && !list.is_changed()) {
            Some(prepared) => Rows::Written(prepared.slice(from, to)),
            None => Rows::Each(list.page(from, size)),
        },
    };
    let field = |number: u64| Some(number.to_string());
    let info = Info {
        current_page: field(page),
        per_page: field(size),
        last_page: field(end),
        total: total_field(options.total, total),
    };
    Ok(Page { version: asked.version, info, rows })
}

/// Positions of the rows that the list shows; `None` for all.
fn chosen(options: &Options, list: &List, filter: &Filter) -> Option<Vec<u64>> {
    if *filter == Filter::default() && options.hidden.is_empty() {
        return None;
    }
    let hidden: Vec<u64> = options.hidden.iter().filter_map(|id| list.find(id)).collect();
    Some(list.chosen(filter).into_iter().filter(|position| !hidden.contains(position)).collect())
}

/// The number of the page that is served, between `base` and `end` or beyond.
fn number_of(options: &Options, asked: Option<u64>, base: u64, end: u64) -> Result<u64, Reply> {
    let page = asked.filter(|_| !options.ignore_page).unwrap_or(base);
    if page < base {
        return match options.page_zero {
            PageZero::Error400 => Err(refusal(StatusCode::BAD_REQUEST, "page must be at least 1")),
            PageZero::AsFirst | PageZero::ZeroBased => Ok(base),
        };
    }
    match options.past_end {
        _ if page <= end => Ok(page),
        PastEnd::Empty => Ok(page),
        PastEnd::LastPage => Ok(end),
        PastEnd::NotFound404 => Err(refusal(StatusCode::NOT_FOUND, "No such page")),
        PastEnd::BadRequest400 => Err(refusal(StatusCode::BAD_REQUEST, "page is out of range")),
    }
}

fn page_size(options: &Options, asked: &Asked) -> u64 {
    let Asked { per_page, cap, .. } = *asked;
    let asked = per_page.unwrap_or_else(|| u64::from(options.default_per_page.max(1)));
    let size = options.one_page_size.map_or(asked, u64::from);
    let caps = options.page_cap.into_iter().chain(cap).map(u64::from);
    caps.fold(size, u64::min).max(1)
}

fn picked(list: &List, positions: &[u64], from: u64, to: u64) -> Vec<Row> {
    let bound = |place| usize::try_from(place).unwrap_or(usize::MAX);
    let positions = positions.get(bound(from)..bound(to)).unwrap_or_default();
    positions.iter().filter_map(|position| list.row(*position)).collect()
}

fn total_field(total: Total, truth: u64) -> Option<String> {
    match total {
        Total::Exact => Some(truth.to_string()),
        Total::Missing => None,
        Total::Zero => Some("0".to_owned()),
        Total::Text => Some(format!("\"{truth}\"")),
        Total::Negative => Some("-1".to_owned()),
        Total::Absurd => Some("99999999999999999999".to_owned()),
        Total::Off(by) => Some(truth.saturating_add_signed(by).to_string()),
        Total::Stale(number) => Some(number.to_string()),
    }
}

/// The page as JSON; sessions written before are not copied.
pub(super) fn write(page: Page) -> Vec<Bytes> {
    let mut out = Vec::new();
    wire::page_head(&mut out, &page.info);
    match page.rows {
        Rows::Written(rows) => vec![out.into(), rows, Bytes::from_static(wire::PAGE_TAIL)],
        Rows::Each(rows) => {
            wire::joined(&mut out, &rows, |out, row| write_row(out, page.version, row, false));
            out.extend_from_slice(wire::PAGE_TAIL);
            vec![out.into()]
        }
    }
}

/// One row as JSON, in a list or alone.
pub(super) fn write_row(out: &mut Vec<u8>, version: Version, row: &Row, alone: bool) {
    match (&row.raw, version) {
        (Some(raw), _) => out.extend_from_slice(raw.as_bytes()),
        (None, Version::V1) => wire::session(out, &row.session),
        (None, Version::V2) => v2::session(out, &row.session, alone),
    }
}
