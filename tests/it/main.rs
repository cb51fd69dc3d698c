//! Black-box tests: the binary against the simulated API over a real socket, its files read back.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test fails by panicking
#![allow(clippy::type_complexity)] // tables of cases
#![allow(clippy::disallowed_methods)] // a test has its own clock and environment

mod attempts;
mod bad_input;
mod bed;
mod beyond;
mod bodies;
mod campaign;
mod check;
mod circles;
mod commands;
mod continuing;
mod crafted;
mod damage;
mod damages;
mod destinations;
mod disks;
mod erased;
mod filters;
mod floor;
mod front;
mod hostile;
mod hostile_files;
mod hostile_settings;
mod ids;
mod incremental;
mod known;
mod left_open;
mod lookups;
mod moves;
mod moving;
mod names;
mod odd_lists;
mod outputs;
mod people;
mod place;
mod poorer;
mod probes;
mod proxy;
mod purge;
mod python;
mod quick;
mod reader;
mod readers;
mod reasons;
mod rejects;
mod rerun;
mod rows;
mod secrets;
mod servers;
mod signals;
mod spark;
mod status;
mod stores;
mod survival;
mod terminal;
mod tls;
mod upgrade;
mod verify;
mod versions;
mod watcher;
mod without_id;
mod world;
mod zero;
