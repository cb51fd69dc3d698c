//! From a list request to a page: which rows it is, and what `pageInfo` says of it.

use std::ops::Range;

use bytes::Bytes;
use hyper::StatusCode;
use url::form_urlencoded;

use super::answered::{Answered, Number};
use super::list::{Filter, List, Row};
use super::options::{Echo, LastPage, Options, Total};
use super::outgoing::{Outgoing, refusal};
use super::prepared::Prepared;
use super::records::Records;
use super::row::write_row;
use super::special::Spot;
use super::v2::Version;
use super::wire::{self, Info};

/// The query of a list request, checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) page: Option<u64>,
    pub(super) per_page: Option<u64>,
    pub(super) filter: Filter,
    /// Which version's fields the rows have.
    pub(super) version: Version,
    /// A cap for this request alone.
    pub(super) cap: Option<u32>,
}

impl Asked {
    /// Reads the query; whatever is no number where one belongs is refused with 400.
    pub(super) fn parse(version: Version, query: &str) -> Result<Self, Outgoing> {
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

fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, Outgoing> {
    value.parse().map_err(|_| refusal(StatusCode::BAD_REQUEST, &format!("{name} must be a number")))
}

/// A page before it is written.
#[derive(Debug, Clone)]
pub(super) struct Page {
    pub(super) version: Version,
    pub(super) info: Info,
    pub(super) rows: Rows,
}

/// What stands in `data`.
#[derive(Debug, Clone)]
pub(super) enum Rows {
    /// Their JSON, with commas between them.
    Written(Bytes),
    /// Rows one by one, so that an alteration can reach them.
    Each(Vec<Row>),
    /// `"data": null`
    Null,
    /// No field `data` at all.
    Absent,
}

/// The list as a request sees it.
pub(super) struct View<'a> {
    options: &'a Options,
    prepared: Option<&'a Prepared>,
    list: &'a List,
    asked: &'a Asked,
    /// Positions of the rows that are shown; `None` for all.
    chosen: Option<Vec<u64>>,
    pub(super) place: Spot,
}

impl<'a> View<'a> {
    pub(super) fn new(options: &'a Options, prepared: Option<&'a Prepared>, list: &'a List, asked: &'a Asked) -> Self {
        let chosen = chosen(options, list, &asked.filter);
        let total = chosen.as_ref().map_or(list.len(), |positions| positions.len() as u64);
        let (size, base) = (page_size(options, asked), options.base);
        let page = asked.page.filter(|_| !options.ignore_page).unwrap_or(base);
        let end = base + total.div_ceil(size).max(1) - 1;
        Self { options, prepared, list, asked, chosen, place: Spot { page, base, end, size, total } }
    }

    /// The page that is answered, or the reply in its stead.
    pub(super) fn answer(&self, special: Answered) -> Result<Page, Outgoing> {
        let Spot { page, base, end, size, total } = self.place;
        let own = |number| self.page(number, self.rows(number));
        let answered = match special {
            Answered::Usual if self.place.is_below() => self.options.page_zero,
            Answered::Usual if self.place.is_behind() => self.options.past_end,
            _ => special,
        };
        let other = |number: u64, shown| match shown {
            Number::Own => own(number),
            Number::Asked => self.page(page, self.rows(number)),
        };
        if let Some(reply) = answered.reply() {
            return Err(reply);
        }
        Ok(match answered {
            Answered::First(shown) => other(base, shown),
            Answered::Last(shown) => other(end, shown),
            Answered::FromEnd => self.page(page, self.between(total.saturating_sub(size), total)),
            Answered::DataNull => self.page(page, Rows::Null),
            Answered::NoData => self.page(page, Rows::Absent),
            Answered::Usual => own(page.max(base)),
            Answered::Records(records) => self.page(page.max(base), self.spoiled(page.max(base), records)),
            _ => self.page(page, Rows::Each(Vec::new())),
        })
    }

    fn rows(&self, number: u64) -> Rows {
        let Range { start, end } = self.positions(number);
        self.between(start, end)
    }

    fn positions(&self, number: u64) -> Range<u64> {
        let from = Spot { page: number, ..self.place }.from().min(self.place.total);
        from..from.saturating_add(self.place.size).min(self.place.total)
    }

    fn between(&self, from: u64, to: u64) -> Rows {
        match self.prepared.filter(|_| self.asked.version == Version::V1 && !self.list.is_changed()) {
            Some(prepared) if self.chosen.is_none() => Rows::Written(prepared.slice(from, to)),
            _ => Rows::Each(self.each(from, to)),
        }
    }

    fn each(&self, from: u64, to: u64) -> Vec<Row> {
        let rows = match &self.chosen {
            Some(positions) => picked(self.list, positions, from, to),
            None => self.list.page(from, to - from),
        };
        let spoil = |row| spoil(self.options, self.list, self.asked.version, row, false);
        rows.into_iter().map(spoil).collect()
    }

    fn spoiled(&self, number: u64, records: Records) -> Rows {
        let Range { start, end } = self.positions(number);
        let rows = self.each(start, end).into_iter();
        Rows::Each(rows.map(|row| records.of(self.asked.version, row, false)).collect())
    }

    /// A page that gives itself this number.
    fn page(&self, shown: u64, rows: Rows) -> Page {
        let Self { options, asked, place: Spot { size, end, total, .. }, .. } = self;
        let field = |number: u64| Some(number.to_string());
        let info = Info {
            current_page: field(shown),
            per_page: match options.per_page {
                Echo::Honest => field(*size),
                Echo::Missing => None,
                Echo::Asked => field(asked.per_page.unwrap_or_else(|| u64::from(options.default_per_page))),
                Echo::Says(number) => field(number),
            },
            last_page: match options.last_page {
                LastPage::Honest => field(*end),
                LastPage::Missing => None,
                LastPage::Says(number) => field(number),
                LastPage::OfList(length) => field(options.base + length.div_ceil(*size).max(1) - 1),
            },
            total: total_field(options.total, *total),
        };
        Page { version: asked.version, info, rows }
    }
}

/// The row as the server lists it: every so many-th session of the account is no record that can be read as a whole.
pub(super) fn spoil(options: &Options, list: &List, version: Version, mut row: Row, alone: bool) -> Row {
    const LAST: &str = "\"participants\":[";
    let number = list.account().index_of(&row.session.id).filter(|_| row.raw.is_none());
    let is_meant = |every: u64| number.is_some_and(|number| (number + 1).is_multiple_of(every.max(1)));
    if options.reject_every.is_some_and(is_meant) {
        let mut out = Vec::new();
        write_row(&mut out, version, &row, alone);
        let text = String::from_utf8_lossy(&out);
        // A quote within a text is escaped, so the field's name is found nowhere else.
        let whole = text.split_once(LAST).map_or(&*text, |(whole, _)| whole);
        row.raw = Some(format!("{whole}\"participants\":\"unreadable\"}}"));
    }
    row
}

/// Positions of the rows that the list shows; `None` for all.
fn chosen(options: &Options, list: &List, filter: &Filter) -> Option<Vec<u64>> {
    let everything = Filter::default();
    let filter = if options.ignore_filter { &everything } else { filter };
    if *filter == everything && options.hidden.is_empty() {
        return None;
    }
    let hidden: Vec<u64> = options.hidden.iter().filter_map(|id| list.find(id)).collect();
    Some(list.chosen(filter).into_iter().filter(|position| !hidden.contains(position)).collect())
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
        Total::Capped(most) => Some(truth.min(most).to_string()),
    }
}

/// The page as JSON; sessions written before are not copied.
pub(super) fn write(page: Page) -> Vec<Bytes> {
    let mut out = Vec::new();
    wire::page_info(&mut out, &page.info);
    match page.rows {
        Rows::Null => out.extend_from_slice(b",\"data\":null}"),
        Rows::Absent => out.push(b'}'),
        Rows::Written(_) | Rows::Each(_) => out.extend_from_slice(wire::PAGE_ROWS),
    }
    match page.rows {
        Rows::Null | Rows::Absent => vec![out.into()],
        Rows::Written(rows) => vec![out.into(), rows, Bytes::from_static(wire::PAGE_TAIL)],
        Rows::Each(rows) => {
            wire::joined(&mut out, &rows, |out, row| write_row(out, page.version, row, false));
            out.extend_from_slice(wire::PAGE_TAIL);
            vec![out.into()]
        }
    }
}
