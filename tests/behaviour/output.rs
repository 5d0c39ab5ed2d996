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

/// 1000 gets in one word. With a long text, a pipe does not hold what they print.
fn many_gets() -> String {
    format!("-{}", "g".repeat(1000))
}

#[test]
fn every_flag_is_carried_out_though_output_cannot_be_written() {
    isolated(|| {
        let text = "x".repeat(4000);
        let args = ["-p", &text, &many_gets(), "-p", "y"];
        let run = Run::of(program(BINARY).stdout(full_device()).args(args)).fails(1);
        let run = run.says_reason(libc::ENOSPC);
        run.says(["write error", "-p stored stays stored"]);
        shmcli(["-g"]).prints("y\n");
        for flag in ["-g", "--help", "--version"] {
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
        let mut command = program(BINARY);
        let run = Run::of(command.stdout(OwnedFd::from(stdout)).arg(many_gets()));
        run.fails(1).says(["write error"]).says_reason(libc::EAGAIN);
    });
}

#[test]
fn a_write_error_at_close_is_told() {
    isolated(|| {
        // A dynamic linker closes files, too, and then fails.
        let mut command = command_with_denied(libc::SYS_close, libc::EDQUOT);
        let run = Run::of(command.args(["-p", "x", "-g"])).skip_on_127();
        let run = run.exits(1, "x\n");
        run.says(["write error"]).says_reason(libc::EDQUOT);
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
fn a_reader_that_is_gone_ends_the_run() {
    isolated(|| {
        let (stdout, reader) = UnixStream::pair().expect("sockets can be had");
        drop(reader);
        let stdout = OwnedFd::from(stdout);
        let mut get = program(BINARY);
        get.arg("-g")
            .stdout(stdout.try_clone().expect("it is open"));
        Run::of(&mut get).dies_of(libc::SIGPIPE);

        // SAFETY: signal touches no memory.
        let mut get = calling_first(program(BINARY), || unsafe {
            libc::signal(libc::SIGPIPE, libc::SIG_IGN) as _
        });
        let run = Run::of(get.arg("-g").stdout(stdout));
        run.fails(1).says_reason(libc::EPIPE);
    });
}

#[test]
fn a_reader_that_pauses_keeps_no_one_from_the_segment() {
    isolated(|| {
        let text = "x".repeat(4000);
        let mut slow = Started::of(program(BINARY).args(["-p", &text, &many_gets()]));
        let mut stdout = slow.child.stdout.take().expect("stdout is a pipe");
        let mut printed = vec![0]; // room for the first byte
        stdout.read_exact(&mut printed).expect("something comes");
        assert!(!slow.has_segment());
        shmcli(["-p", "y", "-g"]).prints("y\n");

        stdout.read_to_end(&mut printed).expect("the rest comes");
        let expected = (text + "\n").repeat(1000);
        assert!(printed == expected.as_bytes(), "{}", shown(&printed));
        slow.wait().prints(""); // no more
    });
}

#[test]
fn a_message_is_one_write() {
    isolated(|| {
        // Each write arrives as one datagram.
        let (stderr, said) = UnixDatagram::pair().expect("sockets can be had");
        Run::of(program(BINARY).arg("-p").stderr(OwnedFd::from(stderr))).exits(2, "");
        said.set_nonblocking(true).expect("a socket need not block");
        let mut message = [0; 1000];
        let length = said.recv(&mut message).expect("a message comes");
        assert!(message.starts_with(b"shmcli: ") && message[length - 1] == b'\n');
        assert!(said.recv(&mut message).is_err(), "a second write comes");
    });
}

#[test]
fn of_the_standard_descriptors_only_a_closed_stdout_is_an_error() {
    isolated(|| {
        let run = |redirections: &str| {
            let script = format!("exec \"$0\" -p '{redirections}' -g {redirections}");
            let run = Run::of(program("sh").args(["-c", &script, BINARY]));
            assert_eq!(Segment::existing().string(), redirections);
            run
        };
        for redirections in ["<&-", "2>&-", "<&- 2>&-"] {
            run(redirections).prints(format!("{redirections}\n"));
        }
        for redirections in [">&-", "<&- >&-"] {
            run(redirections).fails(1).says_reason(libc::EBADF);
        }
        for redirections in [">&- 2>&-", "<&- >&- 2>&-"] {
            run(redirections).exits(1, "");
        }
    });
}
