//! What the server knows and how it answers: from a request to a reply, without any networking.
//!
//! One lock guards all that changes, so a request sees the list as it is at one moment. Replies are written, and
//! compressed, outside it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::header::{ACCEPT_ENCODING, ALLOW, AUTHORIZATION, HeaderMap, HeaderValue, LOCATION};
use hyper::{Method, StatusCode, Uri};
use tokio::time::Instant;

use super::answer::Answer;
use super::gate::{self, Bucket};
use super::list::List;
use super::options::Options;
use super::page::{self, Asked};
use super::prepared::Prepared;
use super::reply::{Reply, refusal};
use super::script::{Due, Run};
use super::v2::Version;

/// A request as the server remembers it; never with its credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET`.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Whether there was an `Authorization` header.
    pub authorized: bool,
}

/// The requests so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requests {
    /// How many there were.
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

/// The server's rules and state.
pub(super) struct Site {
    options: Options,
    prepared: Option<Prepared>,
    state: Mutex<State>,
}

/// All that changes.
pub(super) struct State {
    pub(super) list: List,
    pub(super) requests: Requests,
    bucket: Option<Bucket>,
    run: Run,
}

impl Site {
    /// Ready to answer; with `prepared`, all sessions are written first.
    pub(super) fn new(options: Options) -> Self {
        let prepared = options.prepared.then(|| Prepared::new(&options.list));
        let bucket = options.rate_limit.map(Bucket::new);
        let state = State {
            list: options.list.clone(),
            requests: Requests::default(),
            bucket,
            run: Run::new(options.script.clone()),
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

    /// The answer to a request that arrives at this moment.
    pub(super) fn answer(&self, method: &Method, uri: &Uri, headers: &HeaderMap, now: Instant) -> Reply {
        let token = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        let request = Request { method: method.to_string(), target: target.to_owned(), authorized: token.is_some() };
        self.state().requests.record(request);
        let reply = self.admitted(method, uri, token, now).unwrap_or_else(|refused| refused);
        let accepted = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if self.options.gzip && accepted.contains("gzip") { reply.compressed() } else { reply }
    }

    fn admitted(&self, method: &Method, uri: &Uri, token: Option<&[u8]>, now: Instant) -> Result<Reply, Reply> {
        let Some(route) = route(uri.path()) else {
            return Err(refusal(StatusCode::NOT_FOUND, "No such resource"));
        };
        // A `HEAD` is what some clients begin with; hyper leaves its body out.
        if ![Method::GET, Method::HEAD].contains(method) {
            return Err(refusal(StatusCode::METHOD_NOT_ALLOWED, "Use GET").header(ALLOW.as_str(), "GET"));
        }
        if self.options.wants_slash && !uri.path().ends_with('/') {
            let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
            let moved = refusal(StatusCode::MOVED_PERMANENTLY, "Moved");
            return Err(moved.header(LOCATION.as_str(), format!("{}/{query}", uri.path())));
        }
        gate::admit(&self.options.auth, token)?;
        if let Some(bucket) = &mut self.state().bucket {
            bucket.take(now)?;
        }
        match route {
            (version, Named::List) => self.page(version, uri.query().unwrap_or_default()),
            (version, Named::Session(id)) => Ok(self.session(version, id)),
        }
    }

    fn page(&self, version: Version, query: &str) -> Result<Reply, Reply> {
        let mut asked = Asked::parse(version, query)?;
        let mut state = self.state();
        let Due { before, after, answers } = state.run.list(asked.page.unwrap_or(1));
        state.list.apply(&before);
        for answer in &answers {
            answer.ask(&mut asked);
        }
        // What is written already can't be edited.
        let prepared = self.prepared.as_ref().filter(|_| answers.is_empty());
        let page = page::resolve(&self.options, prepared, &state.list, &asked);
        state.list.apply(&after);
        drop(state);
        let reply = page.map_or_else(
            |refused| refused,
            |mut page| {
                for answer in &answers {
                    answer.edit(&mut page);
                }
                Reply::json(StatusCode::OK, page::write(page))
            },
        );
        Ok(spoiled(reply, &answers))
    }

    fn session(&self, version: Version, id: &str) -> Reply {
        let mut state = self.state();
        let Due { before, after, answers } = state.run.session(id);
        state.list.apply(&before);
        let row = state.list.find(id).and_then(|position| state.list.row(position));
        state.list.apply(&after);
        drop(state);
        let reply = row.map_or_else(
            || refusal(StatusCode::NOT_FOUND, "Session not found"),
            |row| {
                let mut body = Vec::new();
                page::write_row(&mut body, version, &row, true);
                Reply::json(StatusCode::OK, vec![body.into()])
            },
        );
        spoiled(reply, &answers)
    }
}

fn spoiled(mut reply: Reply, answers: &[Answer]) -> Reply {
    for answer in answers {
        answer.spoil(&mut reply);
    }
    reply
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
        Some(id) if id.strip_suffix('/').is_some_and(|id| !id.is_empty() && !id.contains('/')) => {
            Some((version, Named::Session(id.trim_end_matches('/'))))
        }
        Some(id) if !id.contains('/') => Some((version, Named::Session(id))),
        _ => None,
    }
}
