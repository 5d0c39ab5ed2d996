//! What `-g` prints, and what becomes of it where it cannot be printed.

use std::fs::File;
use std::io::Read;
use std::mem;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use crate::support::sandbox::isolated;
use crate::support::segment::Segment;
use crate::support::shmcli::{Run, command, shmcli};

fn full_device() -> File {
    File::options()
        .write(true)
        .open("/dev/full")
        .expect("there is a /dev/full")
}

#[test]
fn output_that_cannot_be_written_is_a_failure_of_its_own() {
    isolated(|| {
        Run::of(
            command()
                .args(["-p", "x", "-g", "-p", "y"])
                .stdout(full_device()),
        )
        .fails(1)
        .starts("shmcli: ")
        .says("No space left on device");
        shmcli(["-g"]).prints("y\n");
    });
}

#[test]
fn flags_are_carried_out_though_early_output_is_lost() {
    isolated(|| {
        let text = "x".repeat(4000);
        let args = [&["-p", &text][..], &["-g"; 1000], &["-p", "last"]].concat();
        Run::of(command().args(args).stdout(full_device())).fails(1);
        shmcli(["-g"]).prints("last\n");
    });
}

#[test]
fn nothing_to_print_cannot_fail() {
    isolated(|| Run::of(command().args(["-p", "x"]).stdout(full_device())).prints(""));
}

#[test]
fn help_that_cannot_be_written_is_a_failure() {
    isolated(|| {
        Run::of(command().arg("--help").stdout(full_device()))
            .fails(1)
            .starts("shmcli: ");
    });
}

#[test]
fn a_closed_standard_output_is_a_failure() {
    isolated(|| {
        let shell = concat!(env!("CARGO_BIN_EXE_shmcli"), " -g >&-");
        Run::of(Command::new("sh").args(["-c", shell]))
            .fails(1)
            .says("Bad file descriptor");
    });
}

#[test]
fn a_reader_that_is_gone_ends_the_run_silently() {
    isolated(|| {
        let text = "x".repeat(4000);
        shmcli(["-p", &text]).prints("");
        for gets in [1, 1000] {
            let mut reader = Command::new("true")
                .stdin(Stdio::piped())
                .spawn()
                .expect("true can be run");
            let pipe = reader.stdin.take().expect("stdin is a pipe");
            reader.wait().expect("true ends");
            let run = command().args(["-g"].repeat(gets)).stdout(pipe).output();
            let output = run.expect("shmcli can be run");
            assert_eq!(output.status.signal(), Some(libc::SIGPIPE));
            assert_eq!(output.stderr, b"");
        }
    });
}

#[test]
fn a_slow_reader_keeps_no_one_from_the_segment() {
    isolated(|| {
        // More than a pipe holds, and less than is gathered.
        let gets = 100;
        let text = "x".repeat(4000);
        let mut slow = command()
            .args([&["-p", &text][..], &["-g"].repeat(gets)].concat())
            .stdout(Stdio::piped())
            .spawn()
            .expect("shmcli can be run");
        let mut stdout = slow.stdout.take().expect("stdout is a pipe");
        let mut printed = vec![0];
        stdout
            .read_exact(&mut printed)
            .expect("something is printed");

        assert_eq!(Segment::existing().attached(), 0);
        shmcli(["-p", "y", "-g"]).prints("y\n");

        stdout
            .read_to_end(&mut printed)
            .expect("the rest is printed");
        assert_eq!(printed, (text + "\n").repeat(gets).as_bytes());
        assert!(slow.wait().expect("a run can be waited for").success());
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
    const MOST_KIB: i64 = 16 * 1024;

    isolated(|| {
        let gets = 20_000;
        let text = "x".repeat(4000);
        let args = [&["-p", &text][..], &["-g"].repeat(gets)].concat();
        Run::of(command().args(args).stdout(Stdio::null())).prints("");
        // SAFETY: all of a rusage are integers, which may be zero.
        let mut usage: libc::rusage = unsafe { mem::zeroed() };
        // SAFETY: usage has room for what getrusage tells.
        let told = unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &mut usage) };
        assert_eq!(told, 0);
        assert!(usage.ru_maxrss < MOST_KIB, "{} KiB", usage.ru_maxrss);
    });
}
