//! What `-g` prints, and what becomes of it where it cannot be printed.

use std::fs::File;
use std::io::{self, Read};
use std::mem;
use std::os::fd::{FromRawFd, OwnedFd};
use std::process::{Command, Stdio};

use libc::c_long;

use crate::support::conditions::{with_first_calls, with_limit};
use crate::support::place::isolated;
use crate::support::segment::Segment;
use crate::support::shmcli::{BINARY, Run, Started, command, shmcli};
use crate::support::shown::expect_bytes;

fn full_device() -> File {
    File::options()
        .write(true)
        .open("/dev/full")
        .expect("there is a /dev/full")
}

/// The message of a run whose output could not be written there.
fn no_space() -> String {
    let reason = io::Error::from_raw_os_error(libc::ENOSPC);
    format!("shmcli: output could not be written: {reason}\n")
}

#[test]
fn output_that_cannot_be_written_is_a_failure_of_its_own() {
    isolated(|| {
        let mut command = command();
        command.args(["-p", "x", "-g", "-p", "y"]);
        Run::writing_to(full_device(), &mut command)
            .fails(1)
            .is(&(no_space()
                + "Every flag was carried out; only the output is lost, all of it or a part.\n"));
        shmcli(["-g"]).prints("y\n");
    });
}

#[test]
fn flags_are_carried_out_though_much_output_is_lost() {
    isolated(|| {
        let text = "x".repeat(4000);
        let args = [&["-p", &text][..], &["-g"; 1000], &["-p", "last"]].concat();
        Run::writing_to(full_device(), command().args(args)).fails(1);
        shmcli(["-g"]).prints("last\n");
    });
}

#[test]
fn nothing_to_print_cannot_fail() {
    isolated(|| Run::writing_to(full_device(), command().args(["-p", "x"])).prints(""));
}

#[test]
fn help_that_cannot_be_written_is_a_failure_and_no_more_is_claimed() {
    isolated(|| {
        for flag in ["--help", "--version"] {
            Run::writing_to(full_device(), command().arg(flag))
                .fails(1)
                .is(&no_space());
        }
    });
}

#[test]
fn a_closed_standard_output_is_a_failure() {
    isolated(|| {
        let shell = format!("{BINARY} -g >&-");
        Run::of(Command::new("sh").args(["-c", &shell]))
            .fails(1)
            .says("Bad file descriptor");
    });
}

#[test]
fn a_reader_that_is_gone_ends_the_run_silently() {
    isolated(|| {
        shmcli(["-p", &"x".repeat(4000)]).prints("");
        for gets in [1, 1000] {
            let mut reader = Command::new("true")
                .stdin(Stdio::piped())
                .spawn()
                .expect("true can be run");
            let pipe = reader.stdin.take().expect("stdin is a pipe");
            reader.wait().expect("true ends");
            let run = Run::writing_to(pipe, command().args(["-g"].repeat(gets)));
            run.ends_by_signal(libc::SIGPIPE);
        }
    });
}

#[test]
fn a_limit_on_files_ends_the_run_silently() {
    isolated(|| {
        // SAFETY: the name ends with a NUL.
        let file = unsafe { libc::memfd_create(c"limited".as_ptr(), 0) };
        assert_ne!(file, -1, "a file can be made in memory");
        // SAFETY: nothing else owns this descriptor.
        let file = unsafe { OwnedFd::from_raw_fd(file) };
        let limited = with_limit(command(), libc::RLIMIT_FSIZE as _, 0);
        let mut command = with_first_calls(limited, || {
            // Whoever started the tests may have had the signal ignored.
            // SAFETY: the default is no function that could be unsafe.
            unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_DFL) };
            Ok(())
        });
        Run::writing_to(file, command.arg("-g")).ends_by_signal(libc::SIGXFSZ);
    });
}

#[test]
fn a_reader_that_pauses_keeps_no_one_from_the_segment() {
    isolated(|| {
        for gets in [100, 20_000] {
            let text = "x".repeat(4000);
            let mut slow =
                Started::of(command().args([&["-p", &text][..], &["-g"].repeat(gets)].concat()));
            let mut stdout = slow.stdout();
            let mut printed = vec![0];
            stdout
                .read_exact(&mut printed)
                .expect("something is printed");

            assert_eq!(
                Segment::existing().attached(),
                0,
                "a run prints before it detaches"
            );
            shmcli(["-p", "y", "-g"]).prints("y\n");

            stdout
                .read_to_end(&mut printed)
                .expect("the rest is printed");
            expect_bytes(
                "the slow reader's output",
                &printed,
                (text + "\n").repeat(gets).as_bytes(),
            );
            slow.ends().prints("");
        }
    });
}

#[test]
fn a_run_leaves_nothing_attached() {
    isolated(|| {
        shmcli(["-p", "x", "-g"]).prints("x\n");
        assert_eq!(Segment::existing().attached(), 0);
    });
}

#[test]
fn much_output_needs_little_memory() {
    const MOST_KIB: c_long = 16 * 1024;

    isolated(|| {
        let gets = 20_000;
        let text = "x".repeat(4000);
        let args = [&["-p", &text][..], &["-g"].repeat(gets)].concat();
        Run::writing_to(Stdio::null(), command().args(args)).prints("");
        // SAFETY: all of a rusage are integers, which may be zero.
        let mut usage: libc::rusage = unsafe { mem::zeroed() };
        // SAFETY: usage has room for what getrusage tells.
        let told = unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &mut usage) };
        assert_eq!(told, 0);
        assert!(
            usage.ru_maxrss < MOST_KIB,
            "80 MB of output took {} KiB of memory",
            usage.ru_maxrss
        );
    });
}
