//! The simulated API: a real HTTP server on loopback, behind `demo`, `simulate` and every test.

pub mod account;
pub mod answer;
pub mod change;
mod gate;
mod generate;
pub mod list;
mod names;
pub mod options;
mod page;
mod prepared;
mod random;
mod reply;
pub mod script;
pub mod server;
mod site;
mod socket;
#[cfg(test)]
mod testing;
pub mod wire;

pub use account::{Account, Name, Participant, Session, Shape, Spacing, Timelog};
pub use answer::{Answer, Canned, Field};
pub use change::{Change, Target};
pub use list::{List, Order, Row};
pub use options::{Auth, Clock, Options, PageZero, PastEnd, Total};
pub use script::Script;
pub use server::Server;
pub use site::{Request, Requests};
