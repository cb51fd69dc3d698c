//! One HTTP exchange with an object store: how long it may take, and whether it is worth another try.
//!
//! Everything that is written is written on a condition. A request whose answer is lost can therefore be sent again, also
//! if it may have done its work: the condition then fails, and the store looks who was there.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hyper::Method;
use hyper::body::{Body, Frame};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
    ReqwestConnector,
};

/// Bytes of an answer that is no object: a thousand names of files take no more than a fraction of it.
const ANSWER: usize = 16 << 20;
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
        let is_object = is_object(&request);
        let limit = self.limits.sending(request.body().content_length() as u64);
        match tokio::time::timeout(limit, self.inner.execute(request)).await {
            // It will not be there at the next try either.
            Ok(Ok(answer)) if answer.status().as_u16() == 501 => {
                Err(HttpError::new(HttpErrorKind::Unknown, NotImplemented))
            }
            Ok(Ok(answer)) if is_object => Ok(answer),
            Ok(Ok(answer)) => Ok(answer.map(|body| HttpResponseBody::new(Bounded { body, room: ANSWER }))),
            Ok(Err(error)) => Err(match error.kind() {
                HttpErrorKind::Timeout | HttpErrorKind::Interrupted => HttpError::new(HttpErrorKind::Request, error),
                _ => error,
            }),
            Err(_) => Err(HttpError::new(HttpErrorKind::Request, Silent(limit))),
        }
    }
}

/// Whether an object is asked for: it is read as it comes. All else is read whole, before anybody looks at it.
fn is_object(request: &HttpRequest) -> bool {
    let query = request.uri().query().unwrap_or_default();
    request.method() == Method::GET
        && !query.split('&').any(|part| part.starts_with("list-type=") || part == "comp=list")
}

/// A body that ends with an error when it is too long.
struct Bounded {
    body: HttpResponseBody,
    room: usize,
}

impl Body for Bounded {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let length = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()).map_or(0, Bytes::len);
        match self.room.checked_sub(length) {
            Some(room) => {
                self.room = room;
                Poll::Ready(frame)
            }
            None => Poll::Ready(Some(Err(HttpError::new(HttpErrorKind::Decode, TooLong)))),
        }
    }
}

/// The store says more than anybody has asked for.
#[derive(Debug, thiserror::Error)]
#[error("the store's answer has more than {ANSWER} bytes")]
struct TooLong;

/// The store says that it can't do what it is asked.
#[derive(Debug, thiserror::Error)]
#[error("the store does not implement what it is asked (501)")]
pub struct NotImplemented;

#[derive(Debug, thiserror::Error)]
#[error("no answer within {} s", .0.as_secs())]
struct Silent(Duration);
