//! The server: a listener on loopback, HTTP/1.1 with keep-alive, one task a connection.
//!
//! It never listens anywhere but on loopback, so nothing it serves can be mistaken for, or reached like, the real API.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request as HttpRequest, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use super::account::Account;
use super::list::List;
use super::options::Options;
use super::outgoing::{Body, Delivery};
use super::site::{Requests, Site};
use super::socket::Socket;

/// A running server. Dropping it stops it at once; [`Server::stop`] lets answers under way finish.
pub struct Server {
    address: SocketAddr,
    site: Arc<Site>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Server {
    /// Starts on the current tokio runtime; port 0 lets the system choose. An address that is not loopback is refused.
    pub async fn start(options: Options, listen: SocketAddr) -> io::Result<Self> {
        if !listen.ip().is_loopback() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "only loopback addresses are listened on"));
        }
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        // Preparing a large account takes seconds, which are not the runtime's.
        let site = tokio::task::spawn_blocking(move || Site::new(options)).await.map_err(io::Error::other)?;
        let site = Arc::new(site);
        let (stop, stopping) = watch::channel(false);
        let task = tokio::spawn(accept(listener, Arc::clone(&site), stopping));
        Ok(Self { address, site, stop, task })
    }

    /// The address and port that it listens at; the port is the one that was free where 0 was asked for.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:…`, without a path: what `api.base_url` is to be.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The account that the list began with.
    pub fn account(&self) -> Account {
        *self.site.state().list.account()
    }

    /// The requests so far, refused ones too.
    pub fn requests(&self) -> Requests {
        self.site.state().requests.clone()
    }

    /// How many requests there were so far.
    pub fn count(&self) -> u64 {
        self.site.state().requests.count
    }

    /// Looks at the list, or changes it. No request is answered meanwhile.
    pub fn with_list<T>(&self, look: impl FnOnce(&mut List) -> T) -> T {
        look(&mut self.site.state().list)
    }

    /// Accepts no more connections, lets answers under way finish for a few seconds, and closes.
    pub async fn stop(mut self) {
        const PATIENCE: Duration = Duration::from_secs(5);
        // Whoever doesn't finish in time is cut off by the drop.
        let _ = self.stop.send(true);
        let _ = tokio::time::timeout(PATIENCE, &mut self.task).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves until told to stop, then waits for the connections; dropped, it takes them with it.
async fn accept(listener: TcpListener, site: Arc<Site>, mut stopping: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = stopping.changed() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    connections.spawn(serve(stream, peer, Arc::clone(&site), stopping.clone()));
                }
                // Out of file handles, most likely: some will come free.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn serve(stream: TcpStream, peer: SocketAddr, site: Arc<Site>, mut stopping: watch::Receiver<bool>) {
    // Without it, answers wait for acknowledgements of their first bytes.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let reset = Arc::new(AtomicBool::new(false));
    let socket = TokioIo::new(Socket::new(stream, Arc::clone(&reset)));
    let service = service_fn(|request| respond(&site, peer, &reset, request));
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).auto_date_header(site.tells_system_time());
    let mut connection = pin!(builder.serve_connection(socket, service));
    // How a connection ended is the client's to tell; here there is nothing left to do.
    tokio::select! {
        _ = connection.as_mut() => {}
        _ = stopping.changed() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

/// Answers, or fails, which closes the connection without an answer.
async fn respond(
    site: &Site,
    peer: SocketAddr,
    reset: &AtomicBool,
    request: HttpRequest<Incoming>,
) -> io::Result<Response<Body>> {
    let reply = site.answer(peer, request.method(), request.uri(), request.headers(), Instant::now());
    let wait = site.latency() + reply.delay;
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
    reset.store(reply.delivery == Delivery::Reset, Ordering::Relaxed);
    reply.respond().ok_or_else(|| io::Error::other("closed on purpose"))
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use hmac::{Hmac, KeyInit, Mac};
    use serde_json::json;
    use sha2::Sha256;

    use super::*;
    use crate::sim::list::Filter;
    use crate::sim::testing::{ask, exchange, get, list, serve};
    use crate::sim::{Answered, Auth, Clock, Date, Echo, LastPage, Number, Order, Per, Shape, Slash, Total};

    fn account(sessions: u64) -> Account {
        Account::new(1, sessions, Shape::Realistic)
    }

    fn ids(account: &Account) -> Vec<String> {
        account.sessions().map(|session| session.id).collect()
    }

    #[tokio::test]
    async fn pages_follow_one_another() {
        let server = serve(Options::new(account(45))).await;
        let mut seen = Vec::new();
        for page in 1..=3 {
            let response = list(&server, &format!("page={page}")).await;
            assert_eq!(response.status, 200);
            assert_eq!(
                response.json()["pageInfo"],
                json!({"currentPage": page, "perPage": 20, "lastPage": 3, "total": 45})
            );
            seen.extend(response.ids());
        }
        assert_eq!(seen, ids(&server.account()));
        assert_eq!(list(&server, "").await.ids(), seen[..20]);
        assert_eq!(list(&server, "page=2&perPage=7").await.ids(), seen[7..14]);
    }

    #[tokio::test]
    async fn prepared_pages_are_the_same_bytes() {
        let slow = serve(Options::new(account(300))).await;
        let fast = serve(Options { prepared: true, ..Options::new(account(300)) }).await;
        for query in ["", "page=3&perPage=98", "page=4&perPage=98", "page=1&perPage=1000", "page=9&perPage=98"] {
            assert_eq!(list(&slow, query).await.body, list(&fast, query).await.body, "{query}");
        }
        fast.with_list(|list| list.delete(0));
        assert_eq!(list(&fast, "perPage=5").await.ids(), ids(&account(300))[1..6]);
    }

    #[tokio::test]
    async fn a_session_is_served_by_its_id() {
        let server = serve(Options::new(account(30))).await;
        let id = &ids(&server.account())[17];
        let response = get(&server, &format!("/v1/meeting-sessions/{id}"), "").await.unwrap();
        assert_eq!(response.json()["id"], **id);
        let missing = get(&server, "/v1/meeting-sessions/616e79f7ba68c7768bfd18bf", "").await.unwrap();
        assert_eq!((missing.status, missing.json()["message"].is_string()), (404, true));
    }

    #[tokio::test]
    async fn a_meeting_is_a_list_of_its_own() {
        let server = serve(Options::new(account(2000))).await;
        let meeting = server.account().meeting_id(3);
        let expected =
            server.with_list(|list| list.chosen(&Filter { meeting: Some(meeting.clone()), ..Filter::default() }).len());
        let response = list(&server, &format!("meetingId={meeting}&perPage=1000")).await;
        assert_eq!((response.ids().len(), response.info("total")), (expected, json!(expected)));
        assert!(response.json()["data"].as_array().unwrap().iter().all(|row| row["meetingId"] == *meeting));
    }

    #[tokio::test]
    async fn what_is_wrong_is_refused() {
        let server = serve(Options::new(account(5))).await;
        for query in ["page=abc", "page=-1", "perPage=0", "perPage=x", "page="] {
            let response = list(&server, query).await;
            assert_eq!((response.status, response.json()["message"].is_string()), (400, true), "{query}");
        }
        assert_eq!(get(&server, "/v1/rooms", "").await.unwrap().status, 404);
        assert_eq!(get(&server, "/v1/meeting-sessions/a/b", "").await.unwrap().status, 404);
        let post = ask(&server, "POST", "/v1/meeting-sessions", "").await.unwrap();
        assert_eq!((post.status, post.header("allow")), (405, Some("GET")));
        let abroad = Server::start(Options::default(), SocketAddr::from(([0, 0, 0, 0], 0))).await;
        assert_eq!(abroad.err().map(|error| error.kind()), Some(io::ErrorKind::InvalidInput));
    }

    #[tokio::test]
    async fn page_sizes_are_capped_or_fixed() {
        let capped = serve(Options { page_cap: Some(50), ..Options::new(account(120)) }).await;
        let response = list(&capped, "perPage=100&page=3").await;
        assert_eq!(
            (response.ids().len(), response.info("perPage"), response.info("lastPage")),
            (20, json!(50), json!(3))
        );
        assert_eq!(list(&capped, "perPage=49").await.ids().len(), 49);
        let fixed = serve(Options { one_page_size: Some(30), ..Options::new(account(120)) }).await;
        assert_eq!(list(&fixed, "perPage=7").await.ids().len(), 30);
        let stuck = serve(Options { ignore_page: true, ..Options::new(account(120)) }).await;
        assert_eq!(list(&stuck, "page=4").await.ids(), list(&stuck, "page=1").await.ids());
    }

    #[tokio::test]
    async fn behind_the_end_everyone_answers_differently() {
        for (past_end, status, rows) in [
            (Answered::Empty, 200, 0),
            (Answered::Status(404), 404, 0),
            (Answered::Status(400), 400, 0),
            (Answered::Last(Number::Own), 200, 5),
        ] {
            let server = serve(Options { past_end, ..Options::new(account(25)) }).await;
            let response = list(&server, "page=3").await;
            assert_eq!(response.status, status);
            if status == 200 {
                assert_eq!(response.ids().len(), rows);
            }
            let empty = serve(Options { past_end, ..Options::default() }).await;
            assert_eq!(list(&empty, "page=1").await.ids().len(), 0);
        }
    }

    #[tokio::test]
    async fn page_zero_has_three_meanings() {
        let options = |page_zero| Options { page_zero, ..Options::new(account(25)) };
        let from_zero = Options { base: 0, ..Options::new(account(25)) };
        let first = ids(&account(25))[..20].to_vec();
        assert_eq!(list(&serve(options(Answered::First(Number::Own))).await, "page=0").await.ids(), first);
        assert_eq!(list(&serve(options(Answered::Status(400))).await, "page=0").await.status, 400);
        let zero_based = serve(from_zero).await;
        assert_eq!(list(&zero_based, "page=0").await.ids(), first);
        let second = list(&zero_based, "page=1").await;
        assert_eq!((second.ids().len(), second.info("lastPage")), (5, json!(1)));
    }

    #[tokio::test]
    async fn totals_lie_in_many_ways() {
        for (total, expected) in [
            (Total::Exact, json!(25)),
            (Total::Missing, json!(null)),
            (Total::Zero, json!(0)),
            (Total::Text, json!("25")),
            (Total::Negative, json!(-1)),
            (Total::Off(-5), json!(20)),
            (Total::Stale(7), json!(7)),
            (Total::Capped(7), json!(7)),
            (Total::Capped(70), json!(25)),
        ] {
            let server = serve(Options { total, ..Options::new(account(25)) }).await;
            assert_eq!(list(&server, "").await.info("total"), expected);
        }
    }

    #[tokio::test]
    async fn page_info_may_say_less_or_something_else() {
        let page = async |options: Options| list(&serve(options).await, "page=1&perPage=40").await;
        let plain = || Options { page_cap: Some(10), ..Options::new(account(25)) };
        for (per_page, expected) in [
            (Echo::Honest, json!(10)),
            (Echo::Missing, json!(null)),
            (Echo::Asked, json!(40)),
            (Echo::Says(7), json!(7)),
        ] {
            let response = page(Options { per_page, ..plain() }).await;
            assert_eq!((response.info("perPage"), response.ids().len()), (expected, 10));
        }
        for (last_page, expected) in
            [(LastPage::Honest, json!(3)), (LastPage::Missing, json!(null)), (LastPage::Says(1), json!(1))]
        {
            assert_eq!(page(Options { last_page, ..plain() }).await.info("lastPage"), expected);
        }
    }

    #[tokio::test]
    async fn paths_are_redirected_to_those_with_or_without_a_slash() {
        let path = |id: &str| [format!("/v1/meeting-sessions{id}?page=1"), format!("/v1/meeting-sessions{id}/?page=1")];
        for wanted in [true, false] {
            let slash = Some(Slash { wanted, status: 308 });
            let server = serve(Options { slash, ..Options::new(account(5)) }).await;
            for id in [String::new(), format!("/{}", ids(&account(5))[0])] {
                let [bare, slashed] = path(&id);
                let (good, bad) = if wanted { (slashed, bare) } else { (bare, slashed) };
                assert_eq!(get(&server, &good, "").await.unwrap().status, 200);
                let moved = get(&server, &bad, "").await.unwrap();
                assert_eq!((moved.status, moved.header("location")), (308, Some(&*good)));
            }
        }
    }

    #[tokio::test]
    async fn the_time_is_told_or_not() {
        let date = async |date| {
            let clock = Clock::new(|| 1_795_197_600);
            let server = serve(Options { clock, date, ..Options::new(account(5)) }).await;
            list(&server, "").await.header("date").map(str::to_owned)
        };
        assert!(date(Date::System).await.is_some());
        assert_eq!(date(Date::Missing).await, None);
        assert_eq!(date(Date::Clock(0)).await.as_deref(), Some("Fri, 20 Nov 2026 18:00:00 GMT"));
        assert_eq!(date(Date::Clock(-3600)).await.as_deref(), Some("Fri, 20 Nov 2026 17:00:00 GMT"));
    }

    #[tokio::test]
    async fn some_records_cannot_be_read_and_some_filters_do_nothing() {
        let server = serve(Options { reject_every: Some(10), ..Options::new(account(25)) }).await;
        for list in ["/v1/meeting-sessions", "/v2/sessions"] {
            let page = get(&server, &format!("{list}?perPage=25"), "").await.unwrap().json();
            let rows = page["data"].as_array().unwrap();
            let odd: Vec<usize> = (0..25).filter(|at| rows[*at]["participants"].is_string()).collect();
            assert_eq!(odd, [9, 19]);
            let alone = get(&server, &format!("{list}/{}", ids(&account(25))[9]), "").await.unwrap();
            assert!(alone.json()["participants"].is_string());
        }
        let deaf = serve(Options { ignore_filter: true, ..Options::new(account(25)) }).await;
        assert_eq!(list(&deaf, "meetingId=none&perPage=50").await.ids().len(), 25);
    }

    #[tokio::test]
    async fn an_order_holds_across_pages() {
        let server = serve(Options::new(List::new(account(50), Order::OldestFirst))).await;
        let mut oldest = ids(&account(50));
        oldest.reverse();
        assert_eq!(list(&server, "page=2").await.ids(), oldest[20..40]);
    }

    #[tokio::test]
    async fn only_the_right_token_is_let_in() {
        let server = serve(Options { auth: Auth::Token("abc".to_owned()), ..Options::new(account(5)) }).await;
        for (headers, status) in [("", 401), ("authorization: Bearer abc\r\n", 401), ("authorization: abc\r\n", 200)] {
            assert_eq!(get(&server, "/v1/meeting-sessions", headers).await.unwrap().status, status);
        }
        let requests = server.requests();
        assert_eq!(requests.count, 3);
        assert_eq!(requests.log.iter().map(|request| request.authorized).collect::<Vec<_>>(), [false, true, true]);
        assert!(requests.log.iter().all(|request| request.target == "/v1/meeting-sessions" && request.method == "GET"));
    }

    #[tokio::test]
    async fn a_signed_token_is_checked_to_its_expiry() {
        let sign = |claims: serde_json::Value, secret: &str| {
            let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
            let signed = format!("{}.{}", part(json!({"alg": "HS256", "typ": "JWT"})), part(claims));
            let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
            mac.update(signed.as_bytes());
            format!("authorization: {signed}.{}\r\n", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
        };
        let auth =
            Auth::Jwt { api_key: "key".to_owned(), secret: "secret".to_owned(), clock: Clock::new(|| 1_795_000_000) };
        let server = serve(Options { auth, ..Options::new(account(5)) }).await;
        for (header, status) in [
            (sign(json!({"apikey": "key", "exp": 1_795_000_001}), "secret"), 200),
            (sign(json!({"apikey": "key", "exp": 1_795_000_000}), "secret"), 401),
            (sign(json!({"apikey": "other", "exp": 1_795_000_001}), "secret"), 401),
            (sign(json!({"apikey": "key", "exp": 1_795_000_001}), "guess"), 401),
            ("authorization: nonsense\r\n".to_owned(), 401),
        ] {
            assert_eq!(get(&server, "/v1/meeting-sessions", &header).await.unwrap().status, status);
        }
    }

    #[tokio::test]
    async fn answers_are_compressed_for_those_who_ask() {
        let server = serve(Options::new(account(50))).await;
        let plain = get(&server, "/v1/meeting-sessions", "").await.unwrap();
        let packed = get(&server, "/v1/meeting-sessions", "accept-encoding: gzip\r\n").await.unwrap();
        assert_eq!((plain.header("content-encoding"), packed.header("content-encoding")), (None, Some("gzip")));
        assert!(packed.body.len() * 2 < plain.body.len());
        assert_eq!(packed.plain(), plain.body);
        let never = serve(Options { gzip: false, ..Options::new(account(50)) }).await;
        let plain = get(&never, "/v1/meeting-sessions", "accept-encoding: gzip\r\n").await.unwrap();
        assert_eq!(plain.header("content-encoding"), None);
    }

    #[tokio::test]
    async fn too_many_requests_are_told_to_wait() {
        let server = serve(Options { rate_limit: Some(2), ..Options::new(account(5)) }).await;
        let mut refused = 0;
        for _ in 0..6 {
            let response = list(&server, "").await;
            if response.status == 429 {
                assert_eq!(response.header("retry-after"), Some("1"));
                refused += 1;
            }
        }
        assert!(refused > 0);
        tokio::time::sleep(Duration::from_millis(1100)).await;
        assert_eq!(list(&server, "").await.status, 200);
    }

    #[tokio::test]
    async fn a_limit_per_connection_counts_each_connection_apart() {
        let limited = |per| Options { rate_limit: Some(1), rate_limit_per: per, ..Options::new(account(5)) };
        // Each request has a connection of its own here.
        for (per, refused) in [(Per::Key, 3), (Per::Connection, 0)] {
            let server = serve(limited(per)).await;
            let mut statuses = Vec::new();
            for _ in 0..4 {
                statuses.push(list(&server, "").await.status);
            }
            assert_eq!(statuses.iter().filter(|status| **status == 429).count(), refused, "{per:?}");
        }
    }

    #[tokio::test]
    async fn latency_is_kept_and_stopping_is_graceful() {
        let latency = Duration::from_millis(150);
        let server = serve(Options { latency, ..Options::new(account(5)) }).await;
        let began = Instant::now();
        let address = server.address();
        let request = "GET /v1/meeting-sessions HTTP/1.1\r\nhost: sim\r\n\r\n";
        let asked = tokio::task::spawn_blocking(move || exchange(address, request));
        tokio::time::sleep(latency / 3).await;
        server.stop().await;
        assert_eq!(asked.await.unwrap().unwrap().status, 200);
        assert!(began.elapsed() >= latency);
        assert!(TcpStream::connect(address).await.is_err());
    }
}
