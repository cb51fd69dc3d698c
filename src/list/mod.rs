//! The words of the list: what is asked for, and what comes back. Whoever asks, whoever answers and whoever draws conclusions
//! speak of the same values. Pure, and nothing is concluded here.

mod answer;
mod listed;
mod request;
mod window;

pub use answer::{Answer, Outcome, PageInfo, Silence};
pub use listed::{Listed, rank};
pub use request::{Asking, Request};
pub use window::Window;
