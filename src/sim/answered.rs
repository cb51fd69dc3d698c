//! What a request gets that the server would not, or can't, serve as it was asked. One list for all such requests: page 0,
//! a page behind the end, a refused size or position, an empty list, a wrong token, a single session.

use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;

use super::outgoing::{Delivery, Outgoing, refusal};
use super::records::Records;

/// What is answered instead. Where a page makes no sense, as for a single session, pages are an empty one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    /// Nothing special: what the server would answer without this.
    Usual,
    /// The same, but for the records in it.
    Records(Records),
    /// 200, the documented shape, no rows, the number that was asked for.
    Empty,
    /// 200 and the documented shape with `"data": null`.
    DataNull,
    /// 200 and `pageInfo` alone, without the field `data`.
    NoData,
    /// 200 and `{}`.
    EmptyObject,
    /// 204, without a body.
    NoContent,
    /// 200 and `{"message": …}`, as some servers tell of errors.
    Message,
    /// This status and `{"message": …}`.
    Status(u16),
    /// 429, to come back after so many seconds.
    TooFast(u64),
    /// 302 to this address, absolute or from the server's own.
    Redirect(&'static str),
    /// The first page, whatever number was asked for.
    First(Number),
    /// The last page, whatever number was asked for.
    Last(Number),
    /// The rows before the list's end, as many as a page has: page 0 of a server that counts backwards from it.
    FromEnd,
    /// The connection is closed before anything is sent.
    Close,
    /// The connection is closed after so long.
    Stall(Duration),
}

/// The number under which another page is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    /// The number of the page that is served.
    Own,
    /// The number that was asked for.
    Asked,
}

impl Answered {
    /// The answer, if it does not depend on the list.
    pub(super) fn reply(self) -> Option<Outgoing> {
        let ok = |body: &'static str| Outgoing::json(StatusCode::OK, vec![Bytes::from_static(body.as_bytes())]);
        Some(match self {
            Self::EmptyObject => ok("{}"),
            Self::Message => ok(r#"{"message":"Sign in to go on"}"#),
            Self::NoContent => Outgoing { headers: Vec::new(), ..Outgoing::json(StatusCode::NO_CONTENT, Vec::new()) },
            Self::Status(status) => of_status(status),
            Self::TooFast(seconds) => of_status(429).header("retry-after", seconds.to_string()),
            Self::Redirect(to) => of_status(302).header("location", to),
            Self::Close => closed(Duration::ZERO),
            Self::Stall(length) => closed(length),
            Self::Usual
            | Self::Records(_)
            | Self::Empty
            | Self::DataNull
            | Self::NoData
            | Self::First(_)
            | Self::Last(_)
            | Self::FromEnd => return None,
        })
    }

    /// The answer where there is no list; `None` for the usual one.
    pub(super) fn alone(self) -> Option<Outgoing> {
        let page = || Outgoing::json(StatusCode::OK, vec![Bytes::from_static(br#"{"pageInfo":{},"data":[]}"#)]);
        (!matches!(self, Self::Usual | Self::Records(_))).then(|| self.reply().unwrap_or_else(page))
    }
}

fn of_status(status: u16) -> Outgoing {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    refusal(status, status.canonical_reason().unwrap_or("No"))
}

fn closed(after: Duration) -> Outgoing {
    Outgoing { delivery: Delivery::Close, delay: after, ..of_status(500) }
}
