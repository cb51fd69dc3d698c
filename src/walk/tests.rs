//! The plan against small lists that move while they are read.

mod chaos;
mod exhaustive;
mod model;
mod orders;
mod random;
mod repair;
mod servers;
