//! How output and messages are written, and what becomes of them if that fails.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixStream};

use crate::support::*;

fn full_device() -> File {
    let device = File::options().write(true).open("/dev/full");
    device.expect("there is a /dev/full")
}

#[test]
fn every_flag_is_carried_out_though_output_cannot_be_written() {
    isolated(|| {
        for gets in [1, 1000] {
            let text = "x".repeat(4000);
            let args = [&["-p", &text][..], &["-g"].repeat(gets), &["-p", "y"]].concat();
            let said = Run::of(program(BINARY).stdout(full_device()).args(args)).fails(1);
            let said = said.says(["write error", "-p stored stays stored"]);
            said.says_reason(libc::ENOSPC);
            shmcli(["-g"]).prints("y\n");
        }
        for flag in ["--help", "--version"] {
            Run::of(program(BINARY).stdout(full_device()).arg(flag)).fails(1);
        }
    });
}

#[test]
fn output_that_is_written_in_part_is_a_write_error() {
    isolated(|| {
        let (stdout, _reader) = UnixStream::pair().expect("sockets can be had");
        stdout.set_nonblocking(true).expect("it need not block");
        shmcli(["-p", &"x".repeat(4000)]).prints("");
        let args = ["-g"].repeat(1000);
        let run = Run::of(program(BINARY).stdout(OwnedFd::from(stdout)).args(args));
        run.fails(1).says(["write error"]).says_reason(libc::EAGAIN);
    });
}

#[test]
fn a_write_error_at_close_is_told() {
    isolated(|| {
        // A dynamic linker closes files, too, and then fails.
        let mut command = command_with_denied(libc::SYS_close, libc::EDQUOT);
        let run = Run::of(command.args(["-p", "x", "-g"])).skip_on_127();
        let said = run.exits(1, "x\n");
        said.says(["write error"]).says_reason(libc::EDQUOT);
    });
}

#[test]
fn a_run_that_prints_nothing_cannot_fail_to_write() {
    isolated(|| {
        Run::of(program(BINARY).stdout(full_device()).args(["-p", "x"])).prints("");
        let mut command = command_with_denied(libc::SYS_close, libc::EIO);
        Run::of(command.args(["-p", "x"])).skip_on_127().prints("");
    });
}

#[test]
fn a_reader_that_is_gone_ends_the_run_silently() {
    isolated(|| {
        shmcli(["-p", &"x".repeat(4000)]).prints("");
        for gets in [1, 1000] {
            let (stdout, reader) = UnixStream::pair().expect("sockets can be had");
            drop(reader);
            let args = ["-g"].repeat(gets);
            Run::of(program(BINARY).stdout(OwnedFd::from(stdout)).args(args))
                .dies_of(libc::SIGPIPE);
        }
    });
}

#[test]
fn a_reader_that_pauses_keeps_no_one_from_the_segment() {
    isolated(|| {
        for gets in [100, 1_000] {
            let text = "x".repeat(4000);
            let args = [&["-p", &text][..], &["-g"].repeat(gets)].concat();
            let mut slow = Started::of(program(BINARY).args(args));
            let mut stdout = slow.child.stdout.take().expect("stdout is a pipe");
            let mut printed = vec![0];
            stdout.read_exact(&mut printed).expect("something comes");
            assert_eq!(Segment::existing().status().shm_nattch, 0);
            shmcli(["-p", "y", "-g"]).prints("y\n");

            stdout.read_to_end(&mut printed).expect("the rest comes");
            let expected = (text + "\n").repeat(gets);
            expect_bytes("what is printed", &printed, expected.as_bytes());
            slow.wait().prints("");
        }
    });
}

#[test]
fn a_message_is_one_write() {
    isolated(|| {
        Segment::create(1, 0o666); // too small for -g
        for flag in ["-p", "-x", "-g"] {
            // Each write arrives as one datagram.
            let (stderr, said) = UnixDatagram::pair().expect("sockets can be had");
            let status = program(BINARY)
                .arg(flag)
                .stderr(OwnedFd::from(stderr))
                .status();
            assert!(status.is_ok_and(|status| !status.success()));
            said.set_nonblocking(true).expect("a socket need not block");
            let mut message = [0; 1000];
            let length = said.recv(&mut message).expect("a message comes");
            assert!(message.starts_with(b"shmcli: ") && message[length - 1] == b'\n');
            assert!(said.recv(&mut message).is_err(), "a second write comes");
        }
    });
}

#[test]
fn the_standard_descriptors_may_be_closed() {
    isolated(|| {
        for closed in 0..8 {
            let is_closed = move |descriptor| closed & 1 << descriptor != 0;
            let mut command = with_first_call(program(BINARY), move || {
                for descriptor in (0..3).filter(|&descriptor| is_closed(descriptor)) {
                    // SAFETY: nothing uses this descriptor before the program that is started next.
                    unsafe { libc::close(descriptor) };
                }
                0
            });
            let text = format!("closed: {closed:03b}");
            let run = Run::of(command.args(["-p", &text, "-g"]));
            match [libc::STDOUT_FILENO, libc::STDERR_FILENO].map(is_closed) {
                [false, _] => run.prints(format!("{text}\n")),
                [true, false] => drop(run.fails(1).says_reason(libc::EBADF)),
                [true, true] => drop(run.exits(1, "")),
            }
            assert_eq!(Segment::existing().string(), text);
        }
    });
}
