//! What the tests stand on.

pub mod aside;
pub mod calls;
pub mod conditions;
pub mod place;
pub mod segment;
pub mod shmcli;
pub mod shown;
pub mod trace;
