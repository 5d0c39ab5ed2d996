//! What the tests stand on.

pub mod sandbox;
pub mod segment;
pub mod shmcli;
pub mod trace;
