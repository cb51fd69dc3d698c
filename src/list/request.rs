//! A request of the list, and how it is meant.

use std::time::Duration;

use super::window::Window;

/// How a request is meant, and so what a failure of it is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Asking {
    /// A page of the list, such as the documented client asks for: retried, and its failure may end the run.
    Documented,
    /// A page that may not be there (page 0, a page behind the end, a size that may be refused): tried twice at most, and
    /// no answer to it ends a run.
    Probe,
    /// A documented page, asked for with a wrong token: a server that refuses it looks at tokens.
    WrongToken,
}

/// One request of the list: a window, the number by which the server knows it, and how it is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Request {
    /// The positions that are meant, as if pages were counted from 1.
    pub window: Window,
    /// The page's number as this server counts.
    pub page: u64,
    /// Whether the documented client would ask so, and so what a failure is worth.
    pub asking: Asking,
    /// Whether the server is to choose the size itself: `perPage` is left out.
    pub own_size: bool,
    /// How long to wait before the request is sent.
    pub after: Duration,
}

impl Request {
    /// A documented request, sent at once.
    #[must_use]
    pub const fn documented(window: Window, page: u64) -> Self {
        Self { window, page, asking: Asking::Documented, own_size: false, after: Duration::ZERO }
    }

    /// The same window as a probe: a failure of it ends no run.
    #[must_use]
    pub const fn probe(window: Window, page: u64) -> Self {
        Self { asking: Asking::Probe, ..Self::documented(window, page) }
    }
}
