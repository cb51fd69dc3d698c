//! Ways in which an answer can be altered. Three moments: what is asked for, the page (both in `altered`), and the reply on its
//! way out.

use std::time::Duration;

use bytes::Bytes;

use super::outgoing::{Delivery, Outgoing};

/// One alteration of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// This answer instead, whatever was asked for.
    Fixed(Canned),
    /// The right JSON, but only its first bytes, with an honest length.
    Cut(usize),
    /// The right length is announced, so many bytes are sent, and the connection is closed.
    Broken(usize),
    /// The connection is closed before anything is sent.
    Close,
    /// The connection is reset before anything is sent.
    Reset,
    /// Nothing is sent for so long, then the right answer.
    Stall(Duration),
    /// So many bytes at a time, with this pause before each.
    Drip(usize, Duration),
    /// A small gzip stream that inflates to a JSON page of so many bytes, whether or not the client accepts gzip.
    Bomb(u64),
    /// Without its last so many rows.
    Short(usize),
    /// The right page without its rows; `pageInfo` stays as it is.
    Empty,
    /// The page of this number instead of the one asked for.
    OtherPage(u64),
    /// Pages hold at most so many rows here.
    Cap(u32),
    /// The rows at these places, from 0, change places.
    Swap(usize, usize),
    /// The last row comes first, and the first last; other servers turn their pages so.
    Reversed,
    /// A field of `pageInfo` says this: raw JSON text, or no such field.
    Info(Field, Option<String>),
}

/// A field of `pageInfo`, which each answer to the list carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// `currentPage`: the number of the page.
    CurrentPage,
    /// `perPage`: the size of pages.
    PerPage,
    /// `lastPage`: the number of the last page.
    LastPage,
    /// `total`: the number of sessions.
    Total,
}

/// A fixed answer: `Canned::status(429).header("retry-after", "2").body("slow down")`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canned {
    status: u16,
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl Canned {
    /// This status, no headers, an empty body.
    #[must_use]
    pub const fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new() }
    }

    /// Adds a header: `"retry-after"`, `"2"`.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The body, byte for byte.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// The body, told to be `application/json`; whether it is JSON is the caller's matter.
    #[must_use]
    pub fn json(self, body: impl Into<Bytes>) -> Self {
        self.header("content-type", "application/json").body(body)
    }
}

impl From<Canned> for Answer {
    fn from(canned: Canned) -> Self {
        Self::Fixed(canned)
    }
}

impl Answer {
    /// This status with a small error object.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Canned::status(status).json(format!("{{\"message\":\"scripted {status}\"}}")).into()
    }

    /// 200 with this body and content type.
    #[must_use]
    pub fn body(content_type: &str, body: impl Into<Bytes>) -> Self {
        Canned::status(200).header("content-type", content_type).body(body).into()
    }

    /// 302 to this address, absolute or from the server's own.
    #[must_use]
    pub fn redirect(location: &str) -> Self {
        Canned::status(302).header("location", location).into()
    }

    /// The field says this JSON text: `"7"`, `"\"7\""`, `"null"`.
    #[must_use]
    pub fn info(field: Field, json: &str) -> Self {
        Self::Info(field, Some(json.to_owned()))
    }

    /// The third moment: the reply on its way out.
    pub(super) fn spoil(&self, reply: &mut Outgoing) {
        match self {
            Self::Fixed(Canned { status, headers, body }) => {
                reply.status = *status;
                reply.headers.clone_from(headers);
                reply.body = vec![body.clone()];
            }
            Self::Cut(keep) => {
                let body = Bytes::from(reply.body.concat());
                reply.body = vec![body.slice(..body.len().min(*keep))];
            }
            Self::Broken(keep) => reply.delivery = Delivery::Broken(*keep),
            Self::Close => reply.delivery = Delivery::Close,
            Self::Reset => reply.delivery = Delivery::Reset,
            Self::Stall(length) => reply.delay += *length,
            Self::Drip(size, pause) => reply.delivery = Delivery::Drip(*size, *pause),
            Self::Bomb(inflated) => reply.delivery = Delivery::Bomb(*inflated),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tokio::time::Instant;

    use super::*;
    use crate::sim::testing::{get, list, serve};
    use crate::sim::{Account, Change, Options, Script, Server, Shape};

    /// A server of 50 plain sessions whose first answer is altered so, and whose later ones are right.
    async fn altered(answer: impl Into<Answer>) -> Server {
        let script = Script::new().answer(1, answer);
        serve(Options { script, ..Options::new(Account::new(1, 50, Shape::Plain)) }).await
    }

    fn ids(server: &Server) -> Vec<String> {
        server.account().sessions().map(|session| session.id).collect()
    }

    #[tokio::test]
    async fn fixed_answers_come_as_they_are() {
        let slow_down = Canned::status(429).header("retry-after", "7").json(r#"{"error":"slow down"}"#);
        let server = altered(slow_down).await;
        let response = list(&server, "").await;
        assert_eq!((response.status, response.header("retry-after")), (429, Some("7")));
        assert_eq!(response.json(), json!({"error": "slow down"}));
        assert_eq!(list(&server, "").await.status, 200);
        let response = list(&altered(Answer::body("text/html", "<html>")).await, "").await;
        assert_eq!((response.status, &*response.body), (200, &b"<html>"[..]));
        let response = list(&altered(Answer::redirect("http://127.0.0.1:1/")).await, "").await;
        assert_eq!((response.status, response.header("location")), (302, Some("http://127.0.0.1:1/")));
        assert_eq!(list(&altered(Answer::status(503)).await, "").await.status, 503);
    }

    #[tokio::test]
    async fn bodies_are_cut_or_broken_off() {
        let server = altered(Answer::Cut(100)).await;
        let (cut, whole) = (list(&server, "").await, list(&server, "").await);
        assert_eq!((cut.header("content-length"), &cut.body[..]), (Some("100"), &whole.body[..100]));
        let broken = list(&altered(Answer::Broken(100)).await, "").await;
        assert_eq!(broken.header("content-length"), whole.header("content-length"));
        assert_eq!(broken.body, whole.body[..100]);
        let broken = get(&altered(Answer::Broken(9)).await, "/v1/meeting-sessions", "accept-encoding: gzip\r\n").await;
        assert_eq!(broken.unwrap().body.len(), 9);
    }

    #[tokio::test]
    async fn connections_are_closed_or_reset() {
        let closed = get(&altered(Answer::Close).await, "/v1/meeting-sessions", "").await;
        assert_eq!(closed.err().map(|error| error.kind()), Some(std::io::ErrorKind::UnexpectedEof));
        let reset = get(&altered(Answer::Reset).await, "/v1/meeting-sessions", "").await;
        assert_eq!(reset.err().map(|error| error.kind()), Some(std::io::ErrorKind::ConnectionReset));
    }

    #[tokio::test]
    async fn answers_stall_and_drip() {
        const PAUSE: Duration = Duration::from_millis(40);
        let began = Instant::now();
        assert_eq!(list(&altered(Answer::Stall(PAUSE * 3)).await, "").await.status, 200);
        assert!(began.elapsed() >= PAUSE * 3);
        let server = altered(Answer::Drip(2000, PAUSE)).await;
        let began = Instant::now();
        let (dripped, whole) = (list(&server, "").await, list(&server, "").await);
        assert_eq!(dripped.body, whole.body);
        assert!(began.elapsed() >= PAUSE * 3);
    }

    #[tokio::test]
    async fn a_bomb_is_small_until_it_is_opened() {
        let response = list(&altered(Answer::Bomb(30_000_000)).await, "").await;
        assert_eq!(response.header("content-encoding"), Some("gzip"));
        assert!(response.body.len() < 100_000, "{}", response.body.len());
        assert_eq!(response.plain().len(), 30_000_000);
        assert_eq!(response.json(), json!({"data": []}));
    }

    #[tokio::test]
    async fn pages_are_edited() {
        let ask = async |answer| {
            let server = altered(answer).await;
            (ids(&server), list(&server, "page=2&perPage=10").await)
        };
        let (all, short) = ask(Answer::Short(3)).await;
        assert_eq!((short.ids(), short.info("total")), (all[10..17].to_vec(), json!(50)));
        let (_, empty) = ask(Answer::Empty).await;
        assert_eq!((empty.status, empty.ids().len()), (200, 0));
        let (_, other) = ask(Answer::OtherPage(4)).await;
        assert_eq!((other.ids(), other.info("currentPage")), (all[30..40].to_vec(), json!(4)));
        let (_, capped) = ask(Answer::Cap(4)).await;
        assert_eq!((capped.ids(), capped.info("perPage")), (all[4..8].to_vec(), json!(4)));
        let (_, swapped) = ask(Answer::Swap(0, 9)).await;
        assert_eq!((&swapped.ids()[0], &swapped.ids()[9]), (&all[19], &all[10]));
        let (all, reversed) = ask(Answer::Reversed).await;
        assert!(reversed.ids().iter().eq(all[10..20].iter().rev()));
        let (_, text) = ask(Answer::info(Field::Total, "\"50\"")).await;
        assert_eq!((text.info("total"), text.ids().len()), (json!("50"), 10));
        let (_, silent) = ask(Answer::Info(Field::LastPage, None)).await;
        assert_eq!(silent.info("lastPage"), Value::Null);
    }

    #[tokio::test]
    async fn the_list_moves_between_requests() {
        let script = Script::new()
            .after(1, Change::delete(0))
            .before(3, Change::InsertFresh(0))
            .before_page(2, vec![Change::delete(0), Change::delete(0)]);
        let server = serve(Options { script, ..Options::new(Account::new(1, 50, Shape::Plain)) }).await;
        let all = ids(&server);
        assert_eq!(list(&server, "perPage=5").await.ids(), all[..5]);
        assert_eq!(list(&server, "perPage=5").await.ids(), all[1..6]);
        let third = list(&server, "perPage=5").await;
        assert_eq!(third.ids()[1..], all[1..5]);
        assert!(!all.contains(&third.ids()[0]));
        assert_eq!(list(&server, "perPage=5&page=2").await.ids(), all[7..12]);
    }

    #[tokio::test]
    async fn single_sessions_and_prepared_pages_are_altered_too() {
        let account = Account::new(1, 50, Shape::Plain);
        let id = account.session(3).id;
        let script = Script::new().answer_session(&id, Answer::status(500)).times(1).answer(2, Answer::Short(1));
        let server = serve(Options { prepared: true, script, ..Options::new(account) }).await;
        let target = format!("/v1/meeting-sessions/{id}");
        assert_eq!(get(&server, &target, "").await.unwrap().status, 500);
        assert_eq!(get(&server, &target, "").await.unwrap().status, 200);
        assert_eq!(list(&server, "").await.ids().len(), 20);
        assert_eq!(list(&server, "").await.ids().len(), 19);
    }

    #[tokio::test]
    async fn a_raw_record_is_listed_on_every_page_that_meets_it() {
        let account = Account::new(1, 50, Shape::Plain);
        let script = Script::new().before(1, Change::raw(3, r#"{"_id": 7, "participants": "none"}"#));
        let server = serve(Options { script, ..Options::new(account) }).await;
        for query in ["perPage=4", "perPage=50"] {
            assert_eq!(list(&server, query).await.json()["data"][3]["_id"], json!(7));
        }
    }
}
