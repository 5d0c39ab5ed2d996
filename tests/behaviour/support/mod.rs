//! What tests use: `isolation` (or else `in_place`) says where they run, and `run` and `trace` say what runs do.

mod conditions;
mod in_place;
mod isolation;
mod run;
mod segment;
mod trace;

pub use {conditions::*, in_place::*, isolation::*, run::*, segment::*};
