//! One HTTP exchange with an object store: how long it may take, and whether it is worth another try.
//!
//! Everything that is written is written on a condition. A request whose answer is lost can therefore be sent again, also
//! if it may have done its work: the condition then fails, and the store looks who was there.

use std::time::Duration;

use async_trait::async_trait;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService, ReqwestConnector,
};

/// For one exchange at most, from the first byte sent to the first one received.
const EXCHANGE: Duration = Duration::from_secs(30);
/// Bytes a second that a connection must carry at least: what is sent has so much more time.
const SLOWEST: u64 = 1 << 20;

/// How long exchanges may take where all attempts for one request have a budget.
#[derive(Debug, Clone, Copy)]
pub struct Limits(Duration);

impl Limits {
    /// One exchange never takes more than the budget of all.
    pub fn within(budget: Duration) -> Self {
        Self(EXCHANGE.min(budget))
    }

    /// For sending so many bytes and having an answer.
    pub const fn sending(self, bytes: u64) -> Duration {
        self.0.saturating_add(Duration::from_secs(bytes / SLOWEST))
    }
}

/// Makes clients whose exchanges are limited.
#[derive(Debug)]
pub struct Connector(pub Limits);

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let inner = ReqwestConnector::default().connect(&options.clone().with_timeout_disabled())?;
        Ok(HttpClient::new(Limited { inner, limits: self.0 }))
    }
}

#[derive(Debug)]
struct Limited {
    inner: HttpClient,
    limits: Limits,
}

#[async_trait]
impl HttpService for Limited {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let limit = self.limits.sending(request.body().content_length() as u64);
        match tokio::time::timeout(limit, self.inner.execute(request)).await {
            // It will not be there at the next try either.
            Ok(Ok(answer)) if answer.status().as_u16() == 501 => {
                Err(HttpError::new(HttpErrorKind::Unknown, NotImplemented))
            }
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(match error.kind() {
                HttpErrorKind::Timeout | HttpErrorKind::Interrupted => HttpError::new(HttpErrorKind::Request, error),
                _ => error,
            }),
            Err(_) => Err(HttpError::new(HttpErrorKind::Request, Silent(limit))),
        }
    }
}

/// The store says that it can't do what it is asked.
#[derive(Debug, thiserror::Error)]
#[error("the store does not implement what it is asked (501)")]
pub struct NotImplemented;

#[derive(Debug, thiserror::Error)]
#[error("no answer within {} s", .0.as_secs())]
struct Silent(Duration);
