//! Tokens on the way out, refused ones, and that none is ever shown.

use std::io;
use std::sync::{Arc, Mutex};

use futures_util::future::join_all;

use super::*;
use crate::api::canned::{Step, answer, page, status};
use crate::error::Kind;

fn key() -> Credentials {
    Credentials::Key { api_key: "key-1".into(), secret: Secret::new("hush-hush-hush") }
}

#[tokio::test]
async fn a_minted_token_is_renewed_once_and_then_refused() {
    let server = Canned::start(|number, _| if number == 0 { status("401 Unauthorized", &[]) } else { page() }).await;
    first(&client_with(&settings(&server), key())).await.unwrap();
    assert_eq!(server.requests(), 2);

    let server = Canned::start(|_, _| status("401 Unauthorized", &[])).await;
    let error = first(&client_with(&settings(&server), key())).await.unwrap_err();
    assert_eq!((error.kind(), server.requests()), (Kind::Credentials, 2));
    assert!(error.render().contains("VIDEOSDK_SECRET_KEY"), "{}", error.render());
}

#[tokio::test]
async fn a_minted_token_is_not_renewed_for_a_403() {
    let server = Canned::start(|_, _| status("403 Forbidden", &[])).await;
    let error = first(&client_with(&settings(&server), key())).await.unwrap_err();
    assert_eq!((error.kind(), server.requests()), (Kind::Credentials, 1));
}

#[tokio::test]
async fn no_secret_reaches_a_log_or_an_error() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    for (credentials, echo) in [(Credentials::Token(Secret::new(TOKEN)), TOKEN), (key(), "hush-hush-hush")] {
        let mut shown = String::new();
        let server = Canned::start(move |number, head| {
            let sent = head.lines().find_map(|line| line.strip_prefix("authorization: ")).unwrap_or_default();
            let body = format!("you sent {sent} made of {echo}");
            let code = ["500 Oops", "200 OK", "429 Slow", "401 No", "401 No"][number % 5];
            Step::Answer(answer(code, &[], body))
        })
        .await;
        let client = client_with(&settings(&server), credentials);
        for _ in 0..3 {
            let error = first(&client).await.unwrap_err();
            shown.extend([error.render(), format!("{error:?}")]);
        }
        shown += &String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert!(shown.contains("you sent [redacted] made of [redacted]"), "{shown}");
        assert!(shown.contains("is tried again"), "{shown}");
        for secret in [echo, "eyJ", "hush"] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
    }
}

/// Collects all that is logged, at every level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_token_goes_to_a_server_that_does_not_speak_tls() {
    let server = Canned::start(|_, _| page()).await;
    let base_url = format!("https://{}", server.address).parse().unwrap();
    let client = client(&Api { base_url, read_timeout: Duration::from_millis(200), ..settings(&server) });
    let errors = join_all((0..2).map(|_| first(&client))).await;
    assert!(errors.iter().all(|error| error.as_ref().unwrap_err().kind() == Kind::Source));
    assert!(!server.heads().concat().contains(TOKEN));
}
