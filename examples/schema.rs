//! Prints `docs/schema.md`.
#![allow(clippy::print_stdout)]

fn main() {
    print!("{}", rollbook::rows::tables::document());
}
