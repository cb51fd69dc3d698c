//! What an object store says when it fails, in one line, and the next step.

use std::error::Error as StdError;
use std::time::Duration;

use object_store::Error as Cause;

use super::service::NotImplemented;
use crate::error::{Error, Kind};
use crate::words::redact::{one_line, redact};

/// Characters of a store's words that are shown.
const EXCERPT: usize = 400;

/// What stores call credentials that were good once.
const EXPIRED: [&str; 5] =
    ["ExpiredToken", "TokenRefreshRequired", "RequestExpired", "AuthenticationFailed", "InvalidToken"];

/// Where credentials are asked for that nobody has given.
const NO_CREDENTIALS: [&str; 3] = ["169.254.169.254", "169.254.170.2", "metadata.google.internal"];

/// No answer came for so long.
#[derive(Debug, thiserror::Error)]
#[error("the store gave no answer for {} s", .0.as_secs())]
pub struct Silent(pub Duration);

impl From<Silent> for Cause {
    fn from(silent: Silent) -> Self {
        Self::Generic { store: "the network", source: Box::new(silent) }
    }
}

/// The store's words, cut to a line.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Words(String);

const NO_PLACE: &str = "check that the bucket or container is there, and its name in --dest or `dataset.url`";

/// What stores say where it is not.
const NO_BUCKET: [&str; 2] = ["NoSuchBucket", "ContainerNotFound"];

/// The error of a request that has failed; `what` names the path. `secrets`: what the store may echo and nobody may see.
pub fn refusal(what: &str, cause: &Cause, secrets: &[String]) -> Error {
    let words = words(cause, secrets);
    let says = |known: &[&str]| known.iter().any(|known| words.contains(known));
    let hint = match cause {
        _ if says(&EXPIRED) => {
            "the credentials have expired or are not valid: renew them, then run the same command again"
        }
        _ if says(&NO_CREDENTIALS) => {
            "no credentials are set and this machine has no role: set the variables of this store (\"Object stores\" in \
             docs/operations.md), such as AWS_ACCESS_KEY_ID, AZURE_STORAGE_ACCOUNT_KEY or GOOGLE_APPLICATION_CREDENTIALS"
        }
        Cause::PermissionDenied { .. } | Cause::Unauthenticated { .. } => {
            "check the credentials in the environment and what they allow there"
        }
        Cause::NotFound { .. } => NO_PLACE,
        _ if says(&NO_BUCKET) => NO_PLACE,
        Cause::NotImplemented { .. } => "the store must support conditional writes",
        _ if is_not_implemented(cause) => "the store must support conditional writes",
        _ => "check the object store, then run the same command again",
    };
    let kind = match cause {
        Cause::NotImplemented { .. } => Kind::Config,
        _ if is_not_implemented(cause) => Kind::Config,
        _ => Kind::Destination,
    };
    Error::new(kind, what).because(Words(words)).hint(hint)
}

fn is_not_implemented(cause: &Cause) -> bool {
    let mut next: Option<&(dyn StdError + 'static)> = Some(cause);
    while let Some(error) = next {
        if error.is::<NotImplemented>() {
            return true;
        }
        next = error.source();
    }
    false
}

/// All causes in one line without secrets: some of them hold those below them, some don't.
fn words(cause: &Cause, secrets: &[String]) -> String {
    let mut words = cause.to_string();
    let mut next = cause.source();
    while let Some(error) = next {
        let more = error.to_string();
        if !words.contains(&more) {
            words = format!("{words}: {more}");
        }
        next = error.source();
    }
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    one_line(&redact(&words, secrets), EXCERPT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generic(text: &str) -> Cause {
        Cause::Generic { store: "S3", source: text.to_owned().into() }
    }

    #[test]
    fn one_line_with_the_cause_and_a_hint() {
        let long = format!("status 400:\n<Error><Code>ExpiredToken</Code>{}</Error>", "x".repeat(9000));
        let text = refusal("cannot write the file: s3://b/x", &generic(&long), &[]).render();
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.contains("ExpiredToken") && text.contains("hint: the credentials have expired"), "{text}");
        assert!(text.len() < 1000, "{text}");
    }

    #[test]
    fn a_secret_that_the_store_echoes_is_not_shown() {
        let echo = "StringToSign: sv=2024&sig=s%2Fhush-hush, session token hush-hush-hush, for any company";
        let secrets = ["hush-hush-hush".to_owned(), "s%2Fhush-hush".to_owned(), "any".to_owned()];
        let text = refusal("cannot write the file: s3://b/x", &generic(echo), &secrets).render();
        assert!(text.contains("sig=[redacted], session token [redacted], for [redacted] company"), "{text}");
    }

    #[test]
    fn whoever_has_no_credentials_is_told_how_to_set_those_of_every_store() {
        for place in
            ["169.254.169.254/latest/api/token", "169.254.169.254/metadata/identity", "metadata.google.internal"]
        {
            let text = refusal("cannot write the file: x", &generic(&format!("GET http://{place}: 403")), &[]).render();
            for variable in ["AWS_ACCESS_KEY_ID", "AZURE_STORAGE_ACCOUNT_KEY", "GOOGLE_APPLICATION_CREDENTIALS"] {
                assert!(text.contains(variable), "{text}");
            }
        }
    }

    #[test]
    fn what_is_not_implemented_is_a_matter_of_configuration() {
        let cause = Cause::Generic { store: "S3", source: Box::new(NotImplemented) };
        let error = refusal("cannot write the file: s3://b/x", &cause, &[]);
        assert_eq!(error.kind(), Kind::Config);
        assert_eq!(refusal("x", &Silent(Duration::from_secs(3)).into(), &[]).kind(), Kind::Destination);
    }
}
