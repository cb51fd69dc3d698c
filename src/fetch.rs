//! One page of the list as rows: asked for until it is one, or until it is clear what it is worth that there is none.

use tracing::debug;

use crate::api::{Client, Failed, Filter};
use crate::error::{Error, Kind, Result};
use crate::flatten::{self, Flat, Options};
use crate::walk::{Asking, Request};

/// How often a documented page is asked for whose body has another shape.
const ATTEMPTS: u32 = 3;

/// A page as it arrived.
#[derive(Debug)]
pub struct Fetched {
    /// Its rows.
    pub flat: Box<Flat>,
    /// When the server says that it answered, in microseconds since 1970.
    pub at: Option<i64>,
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
        let body = match client.list(request, filter).await? {
            Ok(body) => body,
            Err(failed) => return Ok(Err(failed)),
        };
        // On the runtime's own thread: handing a page to another one and back takes longer than the network can wait.
        let error = match flatten::page(&body.bytes, &options()) {
            Ok(flat) => return Ok(Ok(Fetched { flat: Box::new(flat), at: body.at })),
            Err(error) => error,
        };
        let is_documented = request.asking == Asking::Documented;
        let cause = format!("{}: {error}; {}", body.status, client.quote(&body.bytes));
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
