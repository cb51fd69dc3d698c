//! Requests that are not served as usual: which, when, and with what. Plain data, of which a server can have any number.
//!
//! ```
//! use rollbook::sim::{Account, Answered, During, On, Options, Shape, Special};
//!
//! let outage = Special::new(On::List, Answered::Status(503)).during(During::Requests(5, 9));
//! let small = Special::new(On::SizeAbove(50), Answered::Status(422));
//! let options = Options { specials: vec![outage, small], ..Options::new(Account::new(1, 1000, Shape::Plain)) };
//! assert_eq!(options.specials.len(), 2);
//! ```

use std::time::Duration;

use tokio::time::Instant;

use super::answered::Answered;

/// Some requests, and what they get instead of the usual answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Special {
    /// Which requests are meant.
    pub on: On,
    /// At which of them, or at what time.
    pub during: During,
    /// What they get instead.
    pub answered: Answered,
}

/// Which requests are meant. Rows and positions count from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum On {
    /// Every request, whatever its path and its token.
    Anything,
    /// A token that is none; 401 otherwise.
    WrongToken,
    /// Every request for the list.
    List,
    /// Every so many-th request for the list.
    ListEvery(u64),
    /// `page=0` of a list that counts from 1.
    PageZero,
    /// Pages of this number, whatever their size.
    Page(u64),
    /// Pages that begin behind the end, page 1 of an empty list aside.
    Behind,
    /// Pages of a list without rows, as filtered.
    EmptyList,
    /// Pages of more rows than this.
    SizeAbove(u64),
    /// Pages of another size than these.
    SizeOtherThan(Vec<u64>),
    /// Pages that end behind this position, as a search engine's window has it.
    EndAbove(u64),
    /// Pages that begin at this position or behind it.
    BeginFrom(u64),
    /// Pages that begin at the first of these positions or behind it, and before the second one.
    BeginBetween(u64, u64),
    /// Requests for a single session with one of these ids.
    Ids(Vec<String>),
    /// Requests for any single session.
    AnyId,
}

/// At which of the requests that are meant, or at what time. Requests count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum During {
    /// At every request, at any time.
    Always,
    /// For the first so many of these requests.
    First(u64),
    /// From the so many-th of these requests on.
    From(u64),
    /// From this request for the list to that one, both included; retries count.
    Requests(u64, u64),
    /// From this moment to that one, since the server's first request.
    Moments(Duration, Duration),
}

impl Special {
    /// Such requests are always answered so.
    #[must_use]
    pub const fn new(on: On, answered: Answered) -> Self {
        Self { on, during: During::Always, answered }
    }

    /// The same, but only at these times.
    #[must_use]
    pub const fn during(mut self, during: During) -> Self {
        self.during = during;
        self
    }
}

/// What a request for the list is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot {
    /// The page's number as it was asked for.
    pub(super) page: u64,
    /// The number of the first page.
    pub(super) base: u64,
    /// The number of the last page.
    pub(super) end: u64,
    pub(super) size: u64,
    /// Rows of the list, as the request's filter lets them through.
    pub(super) total: u64,
}

impl Spot {
    pub(super) const fn is_below(&self) -> bool {
        self.page < self.base
    }

    pub(super) const fn is_behind(&self) -> bool {
        self.page > self.end
    }

    /// The position of the first row.
    pub(super) const fn from(&self) -> u64 {
        self.page.saturating_sub(self.base).saturating_mul(self.size)
    }

    fn is(&self, on: &On, request: u64) -> bool {
        match on {
            On::List => true,
            On::ListEvery(step) => request.is_multiple_of((*step).max(1)),
            On::PageZero => self.is_below(),
            On::Page(page) => self.page == *page,
            On::Behind => self.is_behind(),
            On::EmptyList => self.total == 0,
            On::SizeAbove(most) => self.size > *most,
            On::SizeOtherThan(sizes) => !sizes.contains(&self.size),
            On::EndAbove(end) => self.from().saturating_add(self.size) > *end,
            On::BeginFrom(begin) => self.from() >= *begin,
            On::BeginBetween(from, to) => (*from..*to).contains(&self.from()),
            On::Anything | On::WrongToken | On::Ids(_) | On::AnyId => false,
        }
    }
}

/// A server's special requests under way.
pub(super) struct Specials {
    /// Each with how many requests it was about.
    all: Vec<(Special, u64)>,
    /// Requests for the list so far.
    requests: u64,
    /// When the first request came.
    begun: Option<Instant>,
}

impl Specials {
    /// The special requests before the first request of any kind.
    pub(super) fn new(specials: &[Special]) -> Self {
        let all = specials.iter().map(|special| (special.clone(), 0)).collect();
        Self { all, requests: 0, begun: None }
    }

    /// What any request gets, whatever it asks for. Called once for each request, before the others.
    pub(super) fn anything(&mut self, now: Instant) -> Answered {
        self.begun.get_or_insert(now);
        self.pick(now, |on| *on == On::Anything)
    }

    /// What a request with a wrong token gets.
    pub(super) fn wrong_token(&mut self, now: Instant) -> Answered {
        self.pick(now, |on| *on == On::WrongToken)
    }

    /// What a request for the list gets. Called once for each.
    pub(super) fn list(&mut self, place: &Spot, now: Instant) -> Answered {
        self.requests += 1;
        let request = self.requests;
        self.pick(now, |on| place.is(on, request))
    }

    /// What a request for a single session gets.
    pub(super) fn session(&mut self, id: &str, now: Instant) -> Answered {
        self.pick(now, |on| match on {
            On::Ids(ids) => ids.iter().any(|other| other == id),
            On::AnyId => true,
            _ => false,
        })
    }

    /// The first that fits says what; all that fit count the request.
    fn pick(&mut self, now: Instant, fits: impl Fn(&On) -> bool) -> Answered {
        let since = self.begun.map_or(Duration::ZERO, |begun| now.saturating_duration_since(begun));
        let mut picked = Answered::Usual;
        for (special, count) in self.all.iter_mut().filter(|(special, _)| fits(&special.on)) {
            *count += 1;
            let holds = match special.during {
                During::Always => true,
                During::First(times) => *count <= times,
                During::From(number) => *count >= number,
                During::Requests(from, to) => (from..=to).contains(&self.requests),
                During::Moments(from, to) => (from..to).contains(&since),
            };
            if holds && picked == Answered::Usual {
                picked = special.answered;
            }
        }
        picked
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::sim::testing::{Response, get, list, serve};
    use crate::sim::{Account, Auth, Number, Options, Server, Shape};

    const LIST: &str = "/v1/meeting-sessions";

    fn account(sessions: u64) -> Options {
        Options::new(Account::new(1, sessions, Shape::Plain))
    }

    fn ids(sessions: u64) -> Vec<String> {
        Account::new(1, sessions, Shape::Plain).sessions().map(|session| session.id).collect()
    }

    async fn with(sessions: u64, on: On, during: During, answered: Answered) -> Server {
        serve(account(sessions).special(on, during, answered)).await
    }

    /// A server of 25 sessions that answers pages behind the end so.
    async fn behind(answered: Answered) -> std::io::Result<Response> {
        let server = with(25, On::Behind, During::Always, answered).await;
        get(&server, &format!("{LIST}?page=9&perPage=10"), "").await
    }

    #[tokio::test]
    async fn every_answer_is_what_it_says() {
        let all = ids(25);
        for (answered, status, body) in [
            (Answered::Empty, 200, Some(json!([]))),
            (Answered::DataNull, 200, Some(Value::Null)),
            (Answered::NoData, 200, None),
        ] {
            let response = behind(answered).await.unwrap();
            assert_eq!((response.status, response.json().get("data").cloned()), (status, body), "{answered:?}");
            assert_eq!((response.info("currentPage"), response.info("total")), (json!(9), json!(25)));
        }
        for (answered, page, rows) in [
            (Answered::First(Number::Own), 1, &all[..10]),
            (Answered::First(Number::Asked), 9, &all[..10]),
            (Answered::Last(Number::Own), 3, &all[20..]),
            (Answered::Last(Number::Asked), 9, &all[20..]),
            (Answered::FromEnd, 9, &all[15..]),
        ] {
            let response = behind(answered).await.unwrap();
            assert_eq!((response.ids(), response.info("currentPage")), (rows.to_vec(), json!(page)), "{answered:?}");
        }
        for status in [400, 401, 403, 404, 410, 416, 422, 429, 500, 503] {
            let response = behind(Answered::Status(status)).await.unwrap();
            assert_eq!((response.status, response.json()["message"].is_string()), (status, true));
        }
        assert_eq!(behind(Answered::EmptyObject).await.unwrap().json(), json!({}));
        let message = behind(Answered::Message).await.unwrap();
        assert_eq!((message.status, message.json()["message"].is_string()), (200, true));
        let nothing = behind(Answered::NoContent).await.unwrap();
        assert_eq!((nothing.status, nothing.body.len()), (204, 0));
        let moved = behind(Answered::Redirect("/login")).await.unwrap();
        assert_eq!((moved.status, moved.header("location")), (302, Some("/login")));
        assert_eq!(behind(Answered::TooFast(7)).await.unwrap().header("retry-after"), Some("7"));
        let began = Instant::now();
        assert!(behind(Answered::Close).await.is_err());
        assert!(behind(Answered::Stall(Duration::from_millis(60))).await.is_err());
        assert!(began.elapsed() >= Duration::from_millis(60));
    }

    /// The statuses of so many requests for page 1.
    async fn statuses(during: During, requests: usize) -> Vec<u16> {
        let server = with(5, On::Page(1), during, Answered::Status(503)).await;
        let mut statuses = Vec::new();
        for _ in 0..requests {
            statuses.push(list(&server, "page=1").await.status);
        }
        statuses
    }

    #[tokio::test]
    async fn answers_last_as_long_as_they_should() {
        assert_eq!(statuses(During::Always, 3).await, [503; 3]);
        assert_eq!(statuses(During::First(2), 4).await, [503, 503, 200, 200]);
        assert_eq!(statuses(During::From(3), 4).await, [200, 200, 503, 503]);
        assert_eq!(statuses(During::Requests(2, 3), 4).await, [200, 503, 503, 200]);
        let hour = Duration::from_hours(1);
        assert_eq!(statuses(During::Moments(Duration::ZERO, hour), 2).await, [503; 2]);
        assert_eq!(statuses(During::Moments(hour, hour * 2), 2).await, [200; 2]);
    }

    #[tokio::test]
    async fn page_zero_and_the_pages_behind_the_end_are_told_from_the_others() {
        let one = with(25, On::PageZero, During::Always, Answered::Status(500)).await;
        let zero =
            serve(Options { base: 0, ..account(25) }.special(On::PageZero, During::Always, Answered::Close)).await;
        let answers = async |server, page| list(server, &format!("page={page}&perPage=10")).await;
        assert_eq!((answers(&one, 0).await.status, answers(&one, 1).await.status), (500, 200));
        for page in 0..3_usize {
            let response = answers(&zero, page).await;
            assert_eq!((response.ids().len(), response.info("lastPage")), (if page == 2 { 5 } else { 10 }, json!(2)));
        }
        assert_eq!(answers(&zero, 3).await.ids().len(), 0);
        // Page 1 of an empty list is not behind its end.
        for (on, status) in [(On::Behind, 200), (On::EmptyList, 404)] {
            let empty = with(0, on, During::Always, Answered::Status(404)).await;
            assert_eq!(list(&empty, "").await.status, status);
        }
    }

    #[tokio::test]
    async fn sizes_and_positions_are_refused() {
        for (on, query, refused) in [
            (On::SizeAbove(50), "perPage=50", false),
            (On::SizeAbove(50), "perPage=51", true),
            (On::SizeOtherThan(vec![10, 20]), "perPage=20", false),
            (On::SizeOtherThan(vec![10, 20]), "perPage=19", true),
            (On::EndAbove(40), "perPage=10&page=4", false),
            (On::EndAbove(40), "perPage=10&page=5", true),
            (On::EndAbove(40), "perPage=41&page=1", true),
            (On::BeginFrom(40), "perPage=10&page=4", false),
            (On::BeginFrom(40), "perPage=10&page=5", true),
        ] {
            let server = with(100, on.clone(), During::Always, Answered::Status(422)).await;
            assert_eq!(list(&server, query).await.status == 422, refused, "{on:?} {query}");
        }
    }

    #[tokio::test]
    async fn single_sessions_tokens_and_whole_servers_are_special_too() {
        let all = ids(5);
        let server =
            serve(account(5).special(On::Ids(vec![all[2].clone()]), During::Always, Answered::Status(402)).special(
                On::AnyId,
                During::First(2),
                Answered::Status(500),
            ))
            .await;
        let mut statuses = Vec::new();
        for id in [&all[2], &all[3], &all[2], &all[3]] {
            statuses.push(get(&server, &format!("{LIST}/{id}"), "").await.unwrap().status);
        }
        assert_eq!(statuses, [402, 500, 402, 200]);

        let locked = Options { auth: Auth::Token("abc".to_owned()), ..account(5) };
        let locked = serve(locked.special(On::WrongToken, During::Always, Answered::Status(403))).await;
        assert_eq!(get(&locked, LIST, "authorization: x\r\n").await.unwrap().status, 403);
        assert_eq!(get(&locked, LIST, "authorization: abc\r\n").await.unwrap().status, 200);
        let portal = with(5, On::Anything, During::Always, Answered::EmptyObject).await;
        for path in ["/", LIST, "/v2/sessions/x"] {
            assert_eq!(get(&portal, path, "").await.unwrap().json(), json!({}), "{path}");
        }
    }
}
