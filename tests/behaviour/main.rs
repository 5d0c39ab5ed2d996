//! The real binary on the real kernel: each rule of the README, in an IPC namespace of the test's own.

#![cfg(target_os = "linux")]

mod support;

mod failures;
mod meeting;
mod output;
mod random;
mod spelling;
mod string;
mod usage;
