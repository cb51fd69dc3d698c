//! Black-box tests: the binary against the simulated API over a real socket, its files read back.

mod bad_input;
mod bed;
mod rerun;
mod rows;
