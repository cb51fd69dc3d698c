//! The URLs of the sessions API, and which origins a token may be sent to. The only place that knows v1 from v2.

use std::sync::atomic::{AtomicBool, Ordering};

use url::{Position, Url};

use crate::config::{ApiVersion, is_loopback};
use crate::error::{Error, Kind, Result};
use crate::list::Request;
use crate::words::range::Range;

/// Which sessions the server is asked for; by default all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The id of a meeting whose sessions are asked for; of all meetings where there is none.
    pub meeting: Option<String>,
    /// Those that started in this range; for v2 only.
    pub range: Option<Range>,
}

/// An origin that a token may be sent to, and the paths below it.
#[derive(Debug)]
pub(super) struct Endpoint {
    list: Url,
    meeting_key: &'static str,
    /// Whether the server wants a slash at the end of the list's path, and of a session's.
    slashes: [AtomicBool; 2],
}

impl Endpoint {
    /// Checks that `base` is an origin only, and `https` unless its host is this machine.
    pub fn new(base: &Url, version: ApiVersion) -> Result<Self> {
        // The origin leaves out user and password, so it can be shown whatever was given.
        let origin = base.origin().ascii_serialization();
        let refused = |why: &str| {
            Error::new(Kind::Config, format!("[api] base_url {why}: {origin}"))
                .hint("give the origin only, such as https://api.videosdk.live")
        };
        if !base.username().is_empty() || base.password().is_some() {
            return Err(refused("must not hold a user or a password"));
        }
        if base.path() != "/" || base.query().is_some() || base.fragment().is_some() {
            return Err(refused("must not go on after the host and port"));
        }
        match base.scheme() {
            "https" => {}
            "http" if is_loopback(base) => {}
            "http" => return Err(refused("must start with https:// on any host but this machine")),
            _ => return Err(refused("must start with https://")),
        }
        let (path, meeting_key) = match version {
            ApiVersion::V1 => ("/v1/meeting-sessions", "meetingId"),
            ApiVersion::V2 => ("/v2/sessions", "roomId"),
        };
        let mut list = base.clone();
        list.set_path(path);
        Ok(Self { list, meeting_key, slashes: Default::default() })
    }

    /// Whether the server is on this machine.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.list)
    }

    /// Whether it is `https`, so that the client speaks nothing but TLS and checks certificates.
    pub fn is_https(&self) -> bool {
        self.list.scheme() == "https"
    }

    /// The list's window, as far as a filter lets it through. v1 knows no dates.
    pub fn list(&self, request: Request, filter: &Filter) -> Url {
        let mut url = self.slashed(self.list.clone());
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("page", &request.page.to_string());
            if !request.own_size {
                query.append_pair("perPage", &request.window.size.to_string());
            }
            if let Some(id) = &filter.meeting {
                query.append_pair(self.meeting_key, id);
            }
            if let Some(Range { from, to }) = filter.range {
                query.append_pair("startDate", &from.div_euclid(1000).to_string());
                query.append_pair("endDate", &to.div_euclid(1000).to_string());
            }
        }
        url
    }

    /// One session. An id that no path can hold (empty, `.` and `..` would name the list itself) is [`Kind::Contract`].
    pub fn session(&self, id: &str) -> Result<Url> {
        if matches!(id, "" | "." | "..") {
            return Err(Error::new(Kind::Contract, format!("the session's id cannot be asked for: `{id}`")));
        }
        let mut url = self.list.clone();
        url.set_path(&format!("{}/{}", self.list.path(), encode(id)));
        Ok(self.slashed(url))
    }

    /// Goes where a redirect leads that a slash at the end is all the difference of, and remembers it for all further
    /// requests of its kind.
    pub fn follow(&self, url: &Url) -> Url {
        let url = turned(url);
        self.wants_slash(&url).store(url.path().ends_with('/'), Ordering::Relaxed);
        tracing::debug!(path = url.path(), "the API redirects to the path with a slash more or less");
        url
    }

    /// With a slash at the end of its path if the server is known to want one.
    fn slashed(&self, url: Url) -> Url {
        if self.wants_slash(&url).load(Ordering::Relaxed) { turned(&url) } else { url }
    }

    fn wants_slash(&self, url: &Url) -> &AtomicBool {
        let is_list = url.path().strip_suffix('/').unwrap_or(url.path()) == self.list.path();
        &self.slashes[usize::from(!is_list)]
    }
}

/// The address with a slash at the end of its path, or without the one that it has.
fn turned(url: &Url) -> Url {
    let mut turned = url.clone();
    match url.path().strip_suffix('/') {
        Some(path) => turned.set_path(path),
        None => turned.set_path(&format!("{}/", url.path())),
    }
    turned
}

/// Whether two addresses are of one origin and differ by nothing but a slash at the end of the path. A target may leave
/// out the query, which stays.
pub(super) fn is_slash_away(from: &Url, to: &Url) -> bool {
    let is_same_query = to.query().is_none() || from.query_pairs().eq(to.query_pairs());
    from.origin() == to.origin() && turned(from).path() == to.path() && is_same_query
}

/// A request as messages name it: method, path and query, without the host.
pub(super) fn label(url: &Url) -> String {
    format!("GET {}", &url[Position::BeforePath..])
}

/// One path segment: every byte but the unreserved ones of RFC 3986 is percent-encoded.
fn encode(segment: &str) -> String {
    use std::fmt::Write as _;

    segment.bytes().fold(String::with_capacity(segment.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::Window;

    fn endpoint(base: &str, version: ApiVersion) -> Result<Endpoint> {
        Endpoint::new(&Url::parse(base).unwrap(), version)
    }

    #[test]
    fn names_the_documented_paths() {
        let window = Request::documented(Window { size: 98, page: 2 }, 2);
        let v1 = endpoint("https://api.videosdk.live", ApiVersion::V1).unwrap();
        let v2 = endpoint("https://api.videosdk.live/", ApiVersion::V2).unwrap();
        assert_eq!(
            v1.list(window, &Filter::default()).as_str(),
            "https://api.videosdk.live/v1/meeting-sessions?page=2&perPage=98"
        );
        assert_eq!(
            label(&v1.list(Request { own_size: true, ..window }, &Filter::default())),
            "GET /v1/meeting-sessions?page=2"
        );
        assert_eq!(
            label(&v1.list(window, &Filter { meeting: Some("a b&c".to_owned()), ..Filter::default() })),
            "GET /v1/meeting-sessions?page=2&perPage=98&meetingId=a+b%26c"
        );
        assert_eq!(
            label(&v2.list(window, &Filter { meeting: Some("abcd".to_owned()), ..Filter::default() })),
            "GET /v2/sessions?page=2&perPage=98&roomId=abcd"
        );
        assert_eq!(label(&v1.session("616e79f7").unwrap()), "GET /v1/meeting-sessions/616e79f7");
        assert_eq!(label(&v2.session("a.b").unwrap()), "GET /v2/sessions/a.b");
    }

    #[test]
    fn an_id_stays_one_segment() {
        let v1 = endpoint("https://api.videosdk.live", ApiVersion::V1).unwrap();
        let label = |id| label(&v1.session(id).unwrap());
        assert_eq!(label("../secrets?x#y%2F\t\u{e9}"), "GET /v1/meeting-sessions/..%2Fsecrets%3Fx%23y%252F%09%C3%A9");
        for id in ["", ".", ".."] {
            assert_eq!(v1.session(id).unwrap_err().kind(), Kind::Contract);
        }
    }

    #[test]
    fn a_slash_is_remembered_for_its_kind_of_path() {
        let window = Request::documented(Window { size: 98, page: 2 }, 2);
        let v2 = endpoint("https://api.videosdk.live", ApiVersion::V2).unwrap();
        let list = || v2.list(window, &Filter::default());
        assert_eq!(v2.follow(&list()).path(), "/v2/sessions/");
        assert_eq!(
            (label(&list()).as_str(), v2.session("a").unwrap().path()),
            ("GET /v2/sessions/?page=2&perPage=98", "/v2/sessions/a")
        );
        assert_eq!(v2.follow(&v2.session("a").unwrap()).path(), "/v2/sessions/a/");
        assert_eq!(v2.session("b").unwrap().path(), "/v2/sessions/b/");
        // And back, for a server that has changed its mind.
        assert_eq!(v2.follow(&list()).path(), "/v2/sessions");
        assert_eq!(list().path(), "/v2/sessions");
    }

    #[test]
    fn only_a_slash_is_followed() {
        let from = Url::parse("https://x:8443/v2/sessions?page=1&roomId=a+b").unwrap();
        for (location, is_slash) in [
            ("/v2/sessions/?page=1&roomId=a%20b", true),
            ("/v2/sessions/", true),
            ("sessions/", true),
            ("https://x:8443/v2/sessions/#top", true),
            ("https://x/v2/sessions/", false),
            ("http://x:8443/v2/sessions/", false),
            ("https://y:8443/v2/sessions/", false),
            ("//y:8443/v2/sessions/", false),
            ("/v2/sessions", false),
            ("/v2/sessions//", false),
            ("/v2/Sessions/", false),
            ("/v2/sessions/?page=2", false),
            ("/v2/sessions/login", false),
        ] {
            assert_eq!(is_slash_away(&from, &from.join(location).unwrap()), is_slash, "{location}");
        }
        let slashed = Url::parse("https://x/v1/meeting-sessions/a/").unwrap();
        assert!(is_slash_away(&slashed, &slashed.join("/v1/meeting-sessions/a").unwrap()));
    }

    #[test]
    fn only_safe_origins_are_taken() {
        for base in [
            "https://api.videosdk.live",
            "https://x:8443/",
            "http://127.0.0.1:9",
            "http://127.9.9.9",
            "http://[::1]:9",
            "http://localhost:9",
        ] {
            assert!(endpoint(base, ApiVersion::V1).is_ok(), "{base}");
        }
        for base in [
            "http://api.videosdk.live",
            "http://10.0.0.1",
            "http://localhost.example.com",
            "http://0.0.0.0",
            "ftp://x",
            "https://api.videosdk.live/v1",
            "https://x/?a=hush",
            "https://x/#hush",
            "https://user:hush@x",
            "https://hush@x",
        ] {
            let error = endpoint(base, ApiVersion::V1).unwrap_err();
            assert_eq!(error.kind(), Kind::Config, "{base}");
            assert!(!format!("{} {error:?}", error.render()).contains("hush"), "{base}: {error:?}");
        }
    }
}
