//! What broke on the way to the API or back, in plain words, and the next step.

use std::error::Error;

use url::Url;

use crate::words::system::remedy;

/// A request that broke on its way there or back, in words for a person.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken {
    /// What happened, in one line without a secret.
    pub cause: String,
    /// The next step, where it is another than usual.
    pub hint: Option<&'static str>,
}

/// The words of libraries, the words for people, and the next step.
const KNOWN: [(&str, &str, &str); 6] = [
    (
        "InvalidContentType",
        "the other side does not speak TLS",
        "check [api] base_url, and whether a proxy is in between (HTTPS_PROXY)",
    ),
    ("certificate: Expired", "its certificate has expired", CLOCK),
    ("certificate expired", "its certificate has expired", CLOCK),
    ("not valid yet", "its certificate is not valid yet", CLOCK),
    (
        "invalid peer certificate",
        "its certificate is not to be trusted",
        "if a proxy or a firewall of yours looks into the traffic, name the file of its CA certificates with SSL_CERT_FILE; \
         else check [api] base_url",
    ),
    (
        "tunnel error",
        "the proxy lets nothing through to it",
        "check the proxy (HTTPS_PROXY), and that it lets this machine reach [api] base_url",
    ),
];

const CLOCK: &str = "check the date and the time of this machine; if they are right, the certificate must be renewed by whoever \
                     runs the server";

const UNREACHABLE: &str = "check the network, [api] base_url, and the proxy if there is one (HTTPS_PROXY), or run the same \
                           command again later";

/// Says it of a request's error. The innermost cause is the one that tells; what a library says in its own words is added.
pub(super) fn describe(error: &reqwest::Error, url: &Url) -> Broken {
    let mut inner = error.source();
    while let Some(deeper) = inner.and_then(Error::source) {
        inner = Some(deeper);
    }
    let words = inner.map_or_else(|| "no more is known".to_owned(), ToString::to_string);
    let of_system = inner.and_then(remedy);
    if error.is_connect() {
        let Broken { cause, hint } = connecting(&words);
        let cause = format!("cannot connect to {}: {cause}", url.origin().ascii_serialization());
        Broken { cause, hint: of_system.or(hint) }
    } else if error.is_body() || error.is_decode() {
        Broken { cause: format!("the body broke off or is damaged: {words}"), hint: of_system }
    } else {
        Broken { cause: format!("the request broke off: {words}"), hint: of_system }
    }
}

fn connecting(words: &str) -> Broken {
    match KNOWN.iter().find(|(known, ..)| words.contains(known)) {
        Some((_, plain, hint)) => Broken { cause: format!("{plain} ({words})"), hint: Some(hint) },
        None => Broken { cause: words.to_owned(), hint: Some(UNREACHABLE) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_words_are_put_plainly() {
        for (words, plain, hint) in [
            ("received corrupt message of type InvalidContentType", "the other side does not speak TLS (", "base_url"),
            ("invalid peer certificate: UnknownIssuer", "its certificate is not to be trusted (", "SSL_CERT_FILE"),
            (
                "invalid peer certificate: certificate expired: verification time 1",
                "its certificate has expired (",
                "time of",
            ),
            ("invalid peer certificate: certificate not valid yet: 1", "its certificate is not valid yet (", "time of"),
            ("tunnel error: unsuccessful", "the proxy lets nothing through to it (", "HTTPS_PROXY"),
            ("Connection refused (os error 111)", "Connection refused", "check the network"),
        ] {
            let broken = connecting(words);
            assert!(broken.cause.starts_with(plain) && broken.cause.contains(words), "{}", broken.cause);
            assert!(broken.hint.unwrap_or_default().contains(hint), "{broken:?}");
        }
    }
}
