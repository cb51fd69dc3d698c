//! The sessions API as a client sees it: URLs, credentials, limits and retries.
//!
//! [`Client`] delivers response bodies and knows nothing of what is in them, but for one cheap look: a body that
//! is not one JSON object, or an empty one, is asked for again. Parsing is the caller's, on its own threads.
//!
//! ```text
//! auth      which credentials there are       token     the header made of them, renewed when it must be
//! endpoint  URLs, and which origins are safe  gate      when the next request may go out
//! retry     what is tried again, and when     body      bytes in bounds, and what may be shown of them
//! memory    of all answers in flight          coding   gzip
//! client    one request, over attempts       attempt   one of them, and what its end means
//! status    what each status means            quota    how many requests may go out
//! connect   TLS, proxies, connections         ping     a monitor that is told of a run
//! ```

mod attempt;
mod auth;
mod body;
mod broken;
mod client;
mod coding;
mod connect;
mod ended;
mod endpoint;
mod failure;
mod gate;
mod memory;
mod ping;
mod quota;
mod retry;
mod status;
mod token;

#[cfg(test)]
mod canned;
#[cfg(test)]
mod tests;

pub use auth::{Credentials, Secret, Validity};
pub use client::Client;
pub use ended::{Body, Failed, Single, Word};
pub use endpoint::Filter;
pub use memory::{Memory, Share};
pub use ping::Monitor;
pub use quota::Used;
