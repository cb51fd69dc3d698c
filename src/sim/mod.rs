//! The simulated API: a real HTTP server on loopback, behind `demo`, `simulate` and every test.

pub mod account;
mod generate;
pub mod list;
mod names;
mod random;
pub mod wire;
