//! The simulated API: a real HTTP server on loopback, behind `demo`, `simulate` and every test.
//!
//! ```text
//! account   sessions made on demand from a seed and an index     truth    what the tables must say of them
//!    |
//!  list     what the API lists, which moves (change)             script   which request meets which change or answer
//!    |                                                           special  requests that are answered otherwise
//!  wire     sessions and pages as JSON                           options  all that the real API leaves open
//!    |
//! server    HTTP on loopback
//! ```
//!
//! It knows nothing of the exporter, so neither can hide the other's mistakes.
//!
//! ```
//! use rollbook::sim::{Account, Answer, Change, Options, Script, Server, Shape};
//!
//! # async fn example() -> std::io::Result<()> {
//! let options = Options {
//!     page_cap: Some(50),
//!     script: Script::new().after(2, Change::InsertFresh(0)).answer(3, Answer::status(500)),
//!     ..Options::new(Account::new(1, 1000, Shape::Realistic))
//! };
//! let server = Server::start(options, ([127, 0, 0, 1], 0).into()).await?;
//! let url = format!("{}/v1/meeting-sessions?page=1&perPage=50", server.base_url());
//! # drop(url);
//! server.stop().await;
//! # Ok(())
//! # }
//! ```

pub mod account;
mod altered;
pub mod answer;
pub mod answered;
pub mod change;
mod gate;
mod generate;
pub mod list;
mod names;
pub mod options;
mod order;
mod outgoing;
mod page;
mod prepared;
mod random;
pub mod records;
mod row;
pub mod script;
pub mod server;
pub mod session;
mod site;
mod socket;
pub mod special;
#[cfg(test)]
mod testing;
pub mod truth;
pub mod v2;
pub mod wire;

pub use account::{Account, Ids, Shape, Spacing};
pub use answer::{Answer, Canned, Field};
pub use answered::{Answered, Number};
pub use change::{Change, Target};
pub use list::{Grain, Key, List, Order, Row, Running, Sort};
pub use options::{Auth, Clock, Date, Echo, LastPage, Options, Per, Slash, Total};
pub use records::Records;
pub use script::Script;
pub use server::Server;
pub use session::{Name, Participant, Session, Timelog};
pub use site::{Request, Requests};
pub use special::{During, On, Special};
pub use truth::{ParticipantTruth, SessionTruth, TimelogTruth, Totals};
