//! The wire model: what a page of sessions says, borrowed from its bytes.
//!
//! Every field is read leniently, so that one odd record never costs its page: a value of a wrong type becomes
//! [`Scalar::Other`] and is judged where rows are made. So does one whose key stands twice in its object: which of the two
//! is meant nobody can tell. No JSON value type leaves this module.

mod keys;
mod lists;
mod message;
mod raw;
mod session;
mod unknown;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess};

use super::lenient::{Entries, Entry, Field, Many, One, Record, Scalar, scalar};
use crate::list::PageInfo;
pub use lists::{Limits, Lists};
use message::has_message;
pub use message::{message_in, said};
pub use raw::raw_records;
pub use session::{Participant, Session, Timelog};
pub use unknown::{Names, Unknown};

#[derive(Default)]
struct Info<'a> {
    current_page: Scalar<'a>,
    per_page: Scalar<'a>,
    last_page: Scalar<'a>,
    total: Scalar<'a>,
}

impl<'de> Record<'de, Lists<'de>> for Info<'de> {
    fn field<A: MapAccess<'de>>(&mut self, field: Field<'_, 'de, A>, _: &mut Lists<'de>) -> Result<(), A::Error> {
        let Field { name, map, seen } = field;
        match name.as_ref() {
            "currentPage" => self.current_page = scalar(map, seen.first(0))?,
            "perPage" => self.per_page = scalar(map, seen.first(1))?,
            "lastPage" => self.last_page = scalar(map, seen.first(2))?,
            "total" => self.total = scalar(map, seen.first(3))?,
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

/// One page of the list.
#[derive(Debug, Default)]
pub struct Page<'a> {
    /// The server's own words on the page.
    pub info: PageInfo,
    /// The records of the page: sessions, their participants, and the timelogs of these.
    pub lists: Lists<'a>,
}

#[derive(Default)]
struct Body<'a> {
    info: Option<Info<'a>>,
    /// `None` where there is no such field.
    data: Option<Entries>,
    /// A field that is there twice.
    twice: Option<&'static str>,
}

impl<'de> Record<'de, Lists<'de>> for Body<'de> {
    fn field<A: MapAccess<'de>>(&mut self, field: Field<'_, 'de, A>, lists: &mut Lists<'de>) -> Result<(), A::Error> {
        let Field { name, map, seen } = field;
        match name.as_ref() {
            "pageInfo" if seen.first(0) => self.info = map.next_value_seed(One::new(lists))?,
            "data" if seen.first(1) => {
                self.data = Some(map.next_value_seed(Many::<Session<'_>, _>::new(lists))?);
            }
            again => {
                self.twice = self.twice.or_else(|| ["pageInfo", "data"].into_iter().find(|known| *known == again));
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// Why a body is not a page of sessions.
#[derive(Debug, thiserror::Error)]
pub enum ShapeError {
    /// Not JSON at all, or cut off.
    #[error("not valid JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// JSON, but without a `data` array, and without another word on the list.
    #[error("no `data` array in the answer")]
    NoData,
    /// Two values for one key, of which neither is to be believed.
    #[error("`{0}` is there twice in the answer")]
    Twice(&'static str),
    /// Mended, the text would be longer than a body may be.
    #[error("too much of it is not valid Unicode")]
    Broken,
}

/// Reads a page, or one session as a page of its own. The text must be valid Unicode throughout; see [`crate::rows::mend`]
/// for what is not.
///
/// # Errors
/// [`ShapeError`] where the text is not what it should be.
pub fn page<'a>(text: &'a str, limits: &Limits) -> Result<Page<'a>, ShapeError> {
    let mut lists = Lists::for_text(text.len(), limits);
    if limits.is_single {
        let session = whole(text, One::<Session<'_>, _>::new(&mut lists))?.ok_or(ShapeError::NoData)?;
        session.add(&mut lists, 0);
        return Ok(Page { info: PageInfo::default(), lists });
    }
    let Body { info, data, twice } = whole(text, One::new(&mut lists))?.ok_or(ShapeError::NoData)?;
    if let Some(twice) = twice {
        return Err(ShapeError::Twice(twice));
    }
    if !is_page(data.as_ref(), info.is_some(), text) {
        return Err(ShapeError::NoData);
    }
    let Info { current_page, per_page, last_page, total } = info.unwrap_or_default();
    let [current_page, per_page, last_page, total] =
        [current_page, per_page, last_page, total].map(|number| number.integer());
    Ok(Page { info: PageInfo { current_page, per_page, last_page, total }, lists })
}

/// Reads a text from its beginning to its end.
fn whole<'a, S: DeserializeSeed<'a>>(text: &'a str, seed: S) -> serde_json::Result<S::Value> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = seed.deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// Without `data`, or with null or an empty text, it is a page without sessions, so long as there is `pageInfo`; null alone is one too,
/// unless a message beside it says why it is null.
fn is_page(data: Option<&Entries>, has_info: bool, text: &str) -> bool {
    match data {
        Some(Entries::List { .. }) => true,
        None => has_info,
        Some(Entries::Absent) => has_info || !has_message(text.as_bytes()),
        Some(Entries::Other | Entries::TooMany) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::tables::Table;

    /// Records of a page, of whatever type.
    fn records(page: &Page<'_>) -> usize {
        page.lists.sessions.len() + page.lists.no_objects.len()
    }

    #[test]
    fn a_page_may_lack_its_rows_but_not_every_word_on_the_list() {
        for (text, rows) in [
            (r#"{"data":[]}"#, Some(0)),
            (r#"{"data":[{"id":"a"},null,7]}"#, Some(3)),
            (r#"{"pageInfo":{"currentPage":4,"perPage":20,"lastPage":3,"total":45},"data":null}"#, Some(0)),
            (r#"{"pageInfo":{"total":0}}"#, Some(0)),
            (r#"{"pageInfo":{},"message":"no sessions"}"#, Some(0)),
            (r#"{"data":null}"#, Some(0)),
            (r#"{"pageInfo":null,"data":null}"#, Some(0)),
            (r#"{"data":null,"message":null}"#, Some(0)),
            (r#"{"pageInfo":{"total":3},"data":""}"#, Some(0)),
            (r#"{"data":"","message":"Token is invalid"}"#, None),
            (r#"{"data":null,"message":"Token is invalid"}"#, None),
            (r#"{"data":null,"error":{"message":"deep"}}"#, None),
            (r#"{"message":"Token is invalid"}"#, None),
            (r#"{"pageInfo":{"total":3},"data":{}}"#, None),
            (r#"{"pageInfo":{"total":3},"data":"none"}"#, None),
            (r#"{"pageInfo":{"total":3},"data":0}"#, None),
            (r#"{"pageInfo":[]}"#, None),
            (r#"{"pageInfo":null}"#, None),
            ("{}", None),
            ("null", None),
            ("[]", None),
        ] {
            let read = page(text, &Limits::default()).ok().map(|page| records(&page));
            assert_eq!(read, rows, "{text}");
        }
        let text = r#"{"pageInfo":{"currentPage":"4","total":"45","perPage":" 20 "},"data":null}"#;
        let info = page(text, &Limits::default()).unwrap().info;
        assert_eq!((info.current_page, info.per_page, info.total), (Some(4), Some(20), Some(45)));
    }

    #[test]
    fn a_key_that_is_there_twice_has_no_value() {
        for text in [
            r#"{"data":[{"id":"a"}],"data":[]}"#,
            r#"{"data":null,"pageInfo":{},"d\u0061ta":[{"id":"a"}]}"#,
            r#"{"pageInfo":{"total":1},"data":[],"pageInfo":{"total":2}}"#,
        ] {
            assert!(matches!(page(text, &Limits::default()), Err(ShapeError::Twice(_))), "{text}");
        }
        let info =
            page(r#"{"data":[],"pageInfo":{"total":1,"perPage":5,"total":1}}"#, &Limits::default()).unwrap().info;
        assert_eq!((info.total, info.per_page), (None, Some(5)));
        let text = r#"{"data":[{"id":"a","_id":"b"},{"id":"a","id":"a"},{"id":null,"id":"a"},{"_id":"a","_id":"b","id":"c"},
            {"id":"a","_id":"b","_id":"c"},{"roomId":"a","meetingId":"b","start":null,"start":"2026-11-01T10:00:00.000Z",
             "status":"x","status":"x","participants":[{"name":"a"}],"participants":[],"region":"r"},
            {"participants":[{"name":"a","name":"b","timelog":[{"end":null,"end":null}]},{"timelog":null,"timelog":[]}]}]}"#;
        let lists = page(text, &Limits::default()).unwrap().lists;
        let ids: Vec<_> = lists.sessions.iter().map(|session| session.id.text()).collect();
        assert_eq!(ids, [Some("a".into()), None, None, None, None, None, None]);
        assert!(lists.sessions[1..5].iter().all(|session| session.id == Scalar::Other));
        let Session { meeting_id, start, status, participants, region, .. } = &lists.sessions[5];
        assert_eq!((meeting_id.text(), region.text(), status), (Some("b".into()), Some("r".into()), &Scalar::Other));
        assert!(start.is_bad() && *participants == Entries::Other && participants.of(&lists.participants).is_empty());
        let [first, second] = lists.sessions[6].participants.of(&lists.participants) else { panic!() };
        assert_eq!((&first.name, &second.timelogs), (&Scalar::Other, &Entries::Other));
        assert!(first.timelogs.of(&lists.timelogs)[0].end.is_bad());
    }

    #[test]
    fn what_is_no_object_takes_no_place() {
        let text = r#"{"data":[0,{"id":"a","participants":[7,{"timelog":[null,{},[]]},"x"]},[{}],{"id":"b"}]}"#;
        let lists = page(text, &Limits::default()).unwrap().lists;
        assert_eq!((lists.sessions.len(), lists.participants.len(), lists.timelogs.len()), (2, 1, 1));
        assert_eq!((lists.no_objects, lists.sessions[1].place), (vec![0, 2], 3));
        assert!(lists.sessions[0].participants.is_odd() && lists.participants[0].timelogs.is_odd());
    }

    #[test]
    fn records_beyond_what_is_read_are_counted() {
        let limits = Limits { records: 3, ..Limits::default() };
        for (data, read, no_objects, surplus) in
            [("{},{},{}", 3, 0, 0), ("{},0,{},{},7", 2, 1, 2), ("0,0,0,0", 0, 3, 1)]
        {
            let text = format!("{{\"data\":[{data}]}}");
            let lists = page(&text, &limits).unwrap().lists;
            assert_eq!(
                (lists.sessions.len(), lists.no_objects.len(), lists.surplus),
                (read, no_objects, surplus),
                "{data}"
            );
        }
    }

    #[test]
    fn a_session_for_whose_participants_there_is_no_room_has_none_and_the_next_one_has_its_own() {
        let limits = Limits { room: 4096, ..Limits::default() };
        let many = |entry: &str| vec![entry; 500].join(",");
        for participants in [many("{}"), format!("{{\"timelog\":[{}]}}", many("{}"))] {
            let text = format!(
                r#"{{"data":[{{"participants":[{participants}]}},{{"participants":[{{"timelog":[{{}}]}}]}}]}}"#
            );
            let lists = page(&text, &limits).unwrap().lists;
            assert_eq!(lists.sessions[0].participants, Entries::TooMany);
            let [participant] = lists.sessions[1].participants.of(&lists.participants) else { panic!() };
            assert_eq!(participant.timelogs.of(&lists.timelogs).len(), 1);
            assert_eq!((lists.participants.len(), lists.timelogs.len()), (1, 1));
        }
    }

    #[test]
    fn entries_are_small() {
        // What a body of three bytes an entry may become rests on it.
        assert_eq!((size_of::<Timelog>(), size_of::<Scalar<'_>>()), (16, 24));
        assert!(size_of::<Participant<'_>>() <= 64 && size_of::<Session<'_>>() <= 224);
    }

    #[test]
    fn unknown_fields_are_counted_by_so_many_names_and_kept_up_to_a_size() {
        let fields: Vec<_> = (0..400).map(|number| format!("\"key {number}\":[{number}]")).collect();
        let text = format!("{{\"data\":[{{{}}},{{\"key 0\":1}}]}}", fields.join(","));
        let names = page(&text, &Limits::default()).unwrap().lists.unknown.names();
        assert_eq!((names.counts.len(), names.more, names.counts["key 0"]), (256, 400 - 256, 2));
        let long = "x".repeat(1000);
        let names =
            page(&format!("{{\"data\":[{{\"{long}\":1}}]}}"), &Limits::default()).unwrap().lists.unknown.names();
        assert_eq!(names.counts.keys().next().unwrap().len(), 128);

        let keep = Limits { keep_unknown: true, ..Limits::default() };
        let huge = format!("{{\"data\":[{{\"a\":1,\"b\":\"{}\",\"c\":1}},{{\"a\":2}}]}}", "x".repeat(1 << 14));
        let unknown = page(&huge, &keep).unwrap().lists.unknown;
        assert!(unknown.of(Table::Sessions, 0).is_none());
        assert_eq!(unknown.of(Table::Sessions, 1).unwrap()["a"].get(), "2");
    }
}
