//! An answer on its way out, and its body: in one go, in drips, cut off, or blown up.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::{Frame, SizeHint};
use hyper::{Response, StatusCode};
use tokio::time::Sleep;

/// An answer before it is sent.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    /// Pieces of the body, sent one after the other.
    pub(super) body: Vec<Bytes>,
    pub(super) delivery: Delivery,
    /// How long to wait before anything is sent.
    pub(super) delay: Duration,
}

/// How a body gets to the client, or doesn't.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivery {
    Whole,
    /// The full length is announced, so many bytes are sent, and the connection is closed.
    Broken(usize),
    /// So many bytes at a time, with this pause between them.
    Drip(usize, Duration),
    /// Instead of the body, a small gzip stream of a JSON page of so many bytes, nearly all of them blanks.
    Bomb(u64),
    /// No answer: the connection is closed in good order.
    Close,
    /// No answer: the connection is reset.
    Reset,
}

impl Outgoing {
    /// An answer with a JSON body in pieces, sent as one with its length.
    pub(super) fn json(status: StatusCode, body: Vec<Bytes>) -> Self {
        let headers = vec![("content-type".to_owned(), "application/json; charset=utf-8".to_owned())];
        Self { status: status.as_u16(), headers, body, delivery: Delivery::Whole, delay: Duration::ZERO }
    }

    /// Adds a header; one of the same name stays beside it.
    pub(super) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The body compressed, unless it is empty, or encoded already.
    pub(super) fn compressed(mut self) -> Self {
        let done = self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-encoding"));
        if done || matches!(self.delivery, Delivery::Bomb(_)) || self.body.iter().all(Bytes::is_empty) {
            return self;
        }
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        let written = self.body.iter().try_for_each(|chunk| encoder.write_all(chunk));
        if let (Ok(()), Ok(bytes)) = (written, encoder.finish()) {
            self.body = vec![bytes.into()];
            return self.header("content-encoding", "gzip").header("vary", "accept-encoding");
        }
        self
    }

    /// The response for hyper; `None` where there is to be none.
    pub(super) fn respond(self) -> Option<Response<Body>> {
        let mut response = Response::builder().status(self.status);
        for (name, value) in &self.headers {
            response = response.header(name, value);
        }
        let length = self.body.iter().map(|chunk| chunk.len() as u64).sum();
        let body = match self.delivery {
            Delivery::Close | Delivery::Reset => return None,
            Delivery::Whole => Body::new(self.body.into_iter().map(Step::Send), Some(length)),
            Delivery::Broken(keep) => Body::broken(&Bytes::from(self.body.concat()), keep, length),
            Delivery::Drip(size, pause) => Body::drip(&self.body.concat(), size, pause, length),
            Delivery::Bomb(inflated) => {
                response = response.header("content-encoding", "gzip");
                Body::new([Step::Bomb(Box::new(Bomb::new(inflated)))], None)
            }
        };
        let mistaken = |_| {
            let mut response = Response::new(Body::new([], Some(0)));
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        };
        Some(response.body(body).unwrap_or_else(mistaken))
    }
}

/// `{"message": ...}` with this status.
pub(super) fn refusal(status: StatusCode, message: &str) -> Outgoing {
    Outgoing::json(status, vec![Bytes::from(serde_json::json!({ "message": message }).to_string())])
}

/// A body as a list of steps.
pub(super) struct Body {
    steps: VecDeque<Step>,
    /// What `Content-Length` says; without it the body is sent in chunks.
    length: Option<u64>,
    pause: Option<Pin<Box<Sleep>>>,
}

enum Step {
    Send(Bytes),
    Pause(Duration),
    Bomb(Box<Bomb>),
    Fail,
}

impl Body {
    fn new(steps: impl IntoIterator<Item = Step>, length: Option<u64>) -> Self {
        Self { steps: steps.into_iter().collect(), length, pause: None }
    }

    fn broken(body: &Bytes, keep: usize, length: u64) -> Self {
        // The pause lets what was written leave the machine before the connection fails.
        const FLUSH: Duration = Duration::from_millis(20);
        let kept = body.slice(..keep.min(body.len()));
        Self::new([Step::Send(kept), Step::Pause(FLUSH), Step::Fail], Some(length))
    }

    fn drip(body: &[u8], size: usize, pause: Duration, length: u64) -> Self {
        let drops = body.chunks(size.max(1)).map(Bytes::copy_from_slice);
        Self::new(drops.flat_map(|drop| [Step::Pause(pause), Step::Send(drop)]), Some(length))
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(context));
                self.pause = None;
            }
            match self.steps.pop_front() {
                None => return Poll::Ready(None),
                Some(Step::Send(bytes)) if bytes.is_empty() => {}
                Some(Step::Send(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Some(Step::Pause(length)) => self.pause = Some(Box::pin(tokio::time::sleep(length))),
                Some(Step::Fail) => return Poll::Ready(Some(Err(io::Error::other("cut off on purpose")))),
                Some(Step::Bomb(mut bomb)) => {
                    let (bytes, more) = bomb.next()?;
                    if more {
                        self.steps.push_front(Step::Bomb(bomb));
                    }
                    self.steps.push_front(Step::Send(bytes));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.steps.is_empty() && self.pause.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// A valid page of JSON with a great many blanks in it, compressed as it is sent.
struct Bomb {
    encoder: Option<GzEncoder<Vec<u8>>>,
    blanks: u64,
    begun: bool,
}

impl Bomb {
    const HEAD: &[u8] = b"{\"data\":[";
    const TAIL: &[u8] = b"]}";

    fn new(inflated: u64) -> Self {
        let blanks = inflated.saturating_sub((Self::HEAD.len() + Self::TAIL.len()) as u64);
        Self { encoder: Some(GzEncoder::new(Vec::new(), Compression::best())), blanks, begun: false }
    }

    /// The next compressed bytes, maybe none yet, and whether there are more.
    fn next(&mut self) -> io::Result<(Bytes, bool)> {
        static BLOCK: [u8; 1 << 16] = [b' '; 1 << 16];
        let Some(mut encoder) = self.encoder.take() else { return Ok((Bytes::new(), false)) };
        if !self.begun {
            encoder.write_all(Self::HEAD)?;
            self.begun = true;
        }
        // A bounded share of work a step, so that a bomb doesn't hold up the other connections.
        for _ in 0..16 {
            let block = usize::try_from(self.blanks).unwrap_or(usize::MAX).min(BLOCK.len());
            encoder.write_all(&BLOCK[..block])?;
            self.blanks -= block as u64;
        }
        if self.blanks == 0 {
            encoder.write_all(Self::TAIL)?;
            return Ok((encoder.finish()?.into(), false));
        }
        let bytes = std::mem::take(encoder.get_mut());
        self.encoder = Some(encoder);
        Ok((bytes.into(), true))
    }
}
