//! What all tests use.

mod conditions;
mod in_place;
mod lock;
mod place;
mod run;
mod segment;
mod trace;

pub use conditions::*;
pub use lock::*;
pub use place::*;
pub use run::*;
pub use segment::*;
pub use trace::*;
