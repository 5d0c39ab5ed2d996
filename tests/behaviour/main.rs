//! The README's rules, tried with the real program on the real kernel of 64-bit Linux.
//!
//! Read `string.rs` first. The name of a test is its claim, and `isolated` keeps it from meeting other tests. What a
//! new flag does belongs in `string.rs`, its spellings in `spelling.rs` and `random.rs`, its mistakes and its line of
//! the help in `usage.rs`.

#![cfg(all(target_os = "linux", target_pointer_width = "64"))]

mod support;

mod failures;
mod lock;
mod meeting;
mod output;
mod random;
mod readme;
mod spelling;
mod string;
mod usage;
