//! The real binary on the real kernel: each rule of the README.

#![cfg(target_os = "linux")]

mod support;

mod failures;
mod meeting;
mod output;
mod random;
mod readme;
mod spelling;
mod string;
mod turns;
mod usage;
