//! One page of the list as rows: asked for until it is one, or until it is clear what it is worth that there is none.

use tracing::{debug, warn};

use crate::api::{Body, Client, Failed, Filter, Share};
use crate::error::{Error, Kind, Result};
use crate::list::{Asking, Request};
use crate::rows::flatten::{self, Flat, Options, Unread};
use crate::words::limits;

/// How often a documented page is asked for whose body has another shape.
const ATTEMPTS: u32 = 3;

/// A page as it arrived.
#[derive(Debug)]
pub struct Fetched {
    /// The page as rows, with all else that it showed: what is listed, what gets no row, what is kept raw.
    pub flat: Box<Flat>,
    /// When the server says that it answered, in microseconds since 1970.
    pub at: Option<i64>,
    /// The memory that the rows take; given back once they are staged.
    pub share: Share,
}

/// Asks for a window. `options` are those of the moment at which the answer is there.
///
/// # Errors
/// As [`Client::list`]; besides, a documented page that stays of another shape.
pub async fn page(
    client: &Client,
    request: Request,
    filter: &Filter,
    options: impl Fn() -> Options,
) -> Result<Result<Fetched, Failed>> {
    let mut attempt = 1;
    loop {
        let Body { bytes, at, status, mut share } = match client.list(request, filter).await? {
            Ok(body) => body,
            Err(failed) => return Ok(Err(failed)),
        };
        // On the runtime's own thread: handing a page to another one and back takes longer than the network can wait.
        let mut options = options();
        options.limits.records = limits::records(request.window.size);
        share.grow_to(flatten::weight(&bytes, &options.limits)).await;
        let Unread { error, body } = match flatten::page(bytes, &options) {
            Ok(flat) => {
                warn_of_surplus(request, &flat);
                share.shrink_to(flat.memory());
                return Ok(Ok(Fetched { flat: Box::new(flat), at, share }));
            }
            Err(unread) => unread,
        };
        let is_documented = request.asking == Asking::Documented;
        let cause = format!("{}: {error}; {}", status, client.quote(&body));
        if is_documented && attempt < ATTEMPTS {
            client.rest(request, filter, attempt, &cause).await;
            attempt += 1;
            continue;
        }
        let error = Error::new(
            Kind::Contract,
            format!("the answer is not a page of sessions: {}", client.label(request, filter)),
        )
        .because(cause)
        .hint("check `base_url` and `api.version`; `rollbook export -v` shows the requests");
        if is_documented {
            return Err(error);
        }
        debug!("{}", error.line());
        return Ok(Err(Failed::of_shape(error)));
    }
}

/// The walk sees that there were more than it asked for, and goes on with the server's own size.
fn warn_of_surplus(request: Request, flat: &Flat) {
    let Flat { surplus, .. } = flat;
    if *surplus > 0 {
        let (page, size) = (request.page, request.window.size);
        warn!(
            "page {page} holds more records than are read of one answer to a request for {size}; left to further pages: {surplus}"
        );
    }
}
