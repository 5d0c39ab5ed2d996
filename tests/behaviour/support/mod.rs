//! What all tests use.

mod conditions;
mod place;
mod run;
mod segment;
mod trace;

pub use conditions::*;
pub use place::*;
pub use run::*;
pub use segment::*;
pub use trace::*;
