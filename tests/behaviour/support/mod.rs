//! What all tests use. `isolation` says where a test runs, `run` what it can claim of a run, and `trace` adds to `run`.

mod conditions;
mod in_place;
mod isolation;
mod run;
mod segment;
mod trace;

pub use {conditions::*, in_place::*, isolation::*, run::*, segment::*};
