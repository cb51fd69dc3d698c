//! What every room says: small values and rules that know nothing of sessions, files or servers.

pub mod ago;
pub mod clock;
pub mod foreign;
pub mod group;
pub mod id;
pub mod limits;
pub mod name;
pub mod range;
pub mod redact;
pub mod share;
pub mod stop;
pub mod system;
pub mod text;
pub mod timestamp;
