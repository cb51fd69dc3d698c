//! What the server knows and how it answers: from a request to a reply, without any networking.
//!
//! One lock guards all that changes, so a request sees the list as it is at one moment. Replies are written, and
//! compressed, outside it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use hyper::header::{ACCEPT_ENCODING, ALLOW, AUTHORIZATION, DATE, HeaderMap, HeaderValue, LOCATION};
use hyper::{Method, StatusCode, Uri};
use tokio::time::Instant;

use super::answer::Answer;
use super::answered::Answered;
use super::gate::{self, Buckets};
use super::list::List;
use super::options::{Date, Options, Slash};
use super::outgoing::{Outgoing, refusal};
use super::page::{self, Asked, View};
use super::prepared::Prepared;
use super::row::write_row;
use super::script::{Due, Run};
use super::special::Specials;
use super::v2::Version;

/// A request as the server remembers it; never with its credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method in capital letters: `GET`.
    pub method: String,
    /// Path and query as they came: `/v1/meeting-sessions?page=1&perPage=50`.
    pub target: String,
    /// Whether there was an `Authorization` header.
    pub authorized: bool,
}

/// The requests so far, of every path and with every outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requests {
    /// How many there were, those included that the log has let go of.
    pub count: u64,
    /// The latest ten thousand, oldest first.
    pub log: VecDeque<Request>,
}

impl Requests {
    fn record(&mut self, request: Request) {
        const MOST: usize = 10_000;
        self.count += 1;
        if self.log.len() == MOST {
            self.log.pop_front();
        }
        self.log.push_back(request);
    }
}

/// What a server does with each request: its rules, and the list that they work on.
pub(super) struct Site {
    options: Options,
    prepared: Option<Prepared>,
    state: Mutex<State>,
}

/// All that changes while the server answers, behind one lock.
pub(super) struct State {
    pub(super) list: List,
    pub(super) requests: Requests,
    buckets: Option<Buckets>,
    run: Run,
    specials: Specials,
}

impl Site {
    /// Ready to answer; with `prepared`, all sessions are written first.
    pub(super) fn new(options: Options) -> Self {
        let is_plain = options.reject_every.is_none();
        let prepared = (options.prepared && is_plain).then(|| Prepared::new(&options.list));
        let buckets = options.rate_limit.map(|rate| Buckets::new(rate, options.rate_limit_per));
        let state = State {
            list: options.list.clone(),
            requests: Requests::default(),
            buckets,
            run: Run::new(options.script.clone()),
            specials: Specials::new(&options.specials),
        };
        Self { options, prepared, state: Mutex::new(state) }
    }

    /// The state, for as long as the guard lives.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // A test that panicked while it held the list leaves a list that is still good to read.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long an answer takes at least.
    pub(super) const fn latency(&self) -> Duration {
        self.options.latency
    }

    /// Whether answers carry the time of this machine.
    pub(super) fn tells_system_time(&self) -> bool {
        self.options.date == Date::System
    }

    /// The answer to a request that arrives at this moment.
    pub(super) fn answer(
        &self,
        peer: SocketAddr,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        now: Instant,
    ) -> Outgoing {
        let token = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        let request = Request { method: method.to_string(), target: target.to_owned(), authorized: token.is_some() };
        self.state().requests.record(request);
        let mut reply = self.admitted(peer, method, uri, token, now).unwrap_or_else(|refused| refused);
        if let Date::Clock(skew) = self.options.date {
            let seconds = u64::try_from(self.options.clock.now().saturating_add(skew)).unwrap_or(0);
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            reply = reply.header(DATE.as_str(), httpdate::fmt_http_date(time));
        }
        let accepted = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if self.options.gzip && accepted.contains("gzip") { reply.compressed() } else { reply }
    }

    fn admitted(
        &self,
        peer: SocketAddr,
        method: &Method,
        uri: &Uri,
        token: Option<&[u8]>,
        now: Instant,
    ) -> Result<Outgoing, Outgoing> {
        if let Some(reply) = self.state().specials.anything(now).alone() {
            return Err(reply);
        }
        if let Some(to) = self.options.slash.and_then(|slash| redirected(slash, uri)) {
            return Err(to);
        }
        let Some(route) = route(uri.path()) else {
            return Err(refusal(StatusCode::NOT_FOUND, "No such resource"));
        };
        // A `HEAD` is what some clients begin with; hyper leaves its body out.
        if ![Method::GET, Method::HEAD].contains(method) {
            return Err(refusal(StatusCode::METHOD_NOT_ALLOWED, "Use GET").header(ALLOW.as_str(), "GET"));
        }
        if let Err(refused) = gate::admit(&self.options.auth, token) {
            return Err(self.state().specials.wrong_token(now).alone().unwrap_or(refused));
        }
        if let Some(buckets) = &mut self.state().buckets {
            buckets.take(token, peer, now)?;
        }
        match route {
            (version, Named::List) => self.page(version, uri.query().unwrap_or_default(), now),
            (version, Named::Session(id)) => Ok(self.session(version, id, now)),
        }
    }

    fn page(&self, version: Version, query: &str, now: Instant) -> Result<Outgoing, Outgoing> {
        let mut asked = Asked::parse(version, query)?;
        let mut guard = self.state();
        let state = &mut *guard;
        state.list.tell(self.options.clock.now());
        let Due { before, after, answers } = state.run.list(asked.page.unwrap_or(1));
        state.list.apply(&before);
        for answer in &answers {
            answer.ask(&mut asked);
        }
        // What is written already can't be edited.
        let prepared = self.prepared.as_ref().filter(|_| answers.is_empty());
        let view = View::new(&self.options, prepared, &state.list, &asked);
        let special = state.specials.list(&view.place, now);
        let page = view.answer(special);
        state.list.apply(&after);
        drop(guard);
        let reply = page.map_or_else(
            |refused| refused,
            |mut page| {
                for answer in &answers {
                    answer.edit(&mut page);
                }
                Outgoing::json(StatusCode::OK, page::write(page))
            },
        );
        Ok(spoiled(reply, &answers))
    }

    fn session(&self, version: Version, id: &str, now: Instant) -> Outgoing {
        let mut state = self.state();
        let Due { before, after, answers } = state.run.session(id);
        state.list.tell(self.options.clock.now());
        state.list.apply(&before);
        let special = state.specials.session(id, now);
        if let Some(reply) = special.alone() {
            return spoiled(reply, &answers);
        }
        let row = state.list.find(id).and_then(|position| state.list.row(position));
        let row = row.map(|row| page::spoil(&self.options, &state.list, version, row, true));
        let row =
            row.map(|row| if let Answered::Records(records) = special { records.of(version, row, true) } else { row });
        state.list.apply(&after);
        drop(state);
        let reply = row.map_or_else(
            || refusal(StatusCode::NOT_FOUND, "Session not found"),
            |row| {
                let mut body = Vec::new();
                write_row(&mut body, version, &row, true);
                Outgoing::json(StatusCode::OK, vec![body.into()])
            },
        );
        spoiled(reply, &answers)
    }
}

fn spoiled(mut reply: Outgoing, answers: &[Answer]) -> Outgoing {
    for answer in answers {
        answer.spoil(&mut reply);
    }
    reply
}

/// The redirect to the path as the server wants it, if it is not so.
fn redirected(slash: Slash, uri: &Uri) -> Option<Outgoing> {
    let Slash { wanted, status } = slash;
    let path = uri.path();
    if path.ends_with('/') == wanted {
        return None;
    }
    let bare = path.trim_end_matches('/');
    let (end, mark) = (if wanted { "/" } else { "" }, if uri.query().is_some() { "?" } else { "" });
    let to = [bare, end, mark, uri.query().unwrap_or_default()].concat();
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::MOVED_PERMANENTLY);
    Some(refusal(status, "Moved").header(LOCATION.as_str(), to))
}

/// What a path names, in either version.
enum Named<'a> {
    List,
    Session(&'a str),
}

fn route(path: &str) -> Option<(Version, Named<'_>)> {
    let lists = [(Version::V1, "/v1/meeting-sessions"), (Version::V2, "/v2/sessions")];
    let (version, rest) = lists.iter().find_map(|(version, list)| Some((*version, path.strip_prefix(list)?)))?;
    match rest.strip_prefix('/') {
        None if rest.is_empty() => Some((version, Named::List)),
        Some("") => Some((version, Named::List)),
        Some(id) => {
            let id = id.strip_suffix('/').unwrap_or(id);
            (!id.contains('/')).then_some((version, Named::Session(id)))
        }
        None => None,
    }
}
