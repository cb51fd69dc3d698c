//! What the targets share: a small page and what the tool makes of it, in temporary folders that every input uses anew.

mod dataset;
mod left;

pub use dataset::{Dataset, edited, parts};
pub use left::Left;
use rollbook::rows::flatten::{self, Flat, Options};
use rollbook::sim::account::{Account, Shape};
use rollbook::sim::wire;

/// Sessions of the page.
const SESSIONS: usize = 3;

/// A page of sessions of one month.
pub fn body() -> Vec<u8> {
    let mut body = b"{\"data\":[".to_vec();
    for session in Account::new(1, SESSIONS as u64, Shape::Realistic).sessions() {
        wire::session(&mut body, &session);
        body.push(b',');
    }
    body.pop();
    body.extend_from_slice(b"]}");
    body
}

/// The page as rows.
pub fn flat() -> Flat {
    flatten::page(body(), &Options::default()).expect("the simulated API's page is one")
}
