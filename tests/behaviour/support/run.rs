//! Runs of the program, and what must hold of them: what they print on stdout, and what they say on stderr.

use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
use std::{env, fs, iter, thread};

use libc::c_int;

use super::*;

pub const BINARY: &str = env!("CARGO_BIN_EXE_shmcli");

/// Runs shmcli with these arguments.
pub fn shmcli<I: IntoIterator<Item: AsRef<OsStr>>>(args: I) -> Run {
    Run::of(program(BINARY).args(args))
}

/// A program with an environment of its own: the tester's may make shells and dynamic linkers print things.
pub fn program(name: impl AsRef<OsStr>) -> Command {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut command = Command::new(name);
    command.env_clear().env("PATH", path);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A run that goes on beside the test.
pub struct Started {
    line: String,
    pub child: Child,
}

impl Started {
    /// Skips the test if the system refuses a call of [`calling_first`].
    pub fn of(command: &mut Command) -> Started {
        let words = iter::once(command.get_program()).chain(command.get_args());
        let words: Vec<&[u8]> = words.map(OsStr::as_bytes).collect();
        let line = shown(&words.join(&b' '));
        match command.spawn() {
            Ok(child) => Started { line, child },
            Err(error) => match error.kind() {
                ErrorKind::PermissionDenied | ErrorKind::Unsupported => {
                    skip(&format!("a call is refused: {error}"))
                }
                _ => panic!("{line} cannot be started: {error}"),
            },
        }
    }

    /// The run waits for something: it has not ended after a time in which a hundred runs would.
    #[track_caller]
    pub fn waits(mut self) -> Started {
        thread::sleep(Duration::from_millis(300));
        let ended = self.child.try_wait().expect("it is a child");
        assert_eq!(ended, None, "{} does not wait", self.line);
        self
    }

    pub fn signal(&self, signal: c_int) {
        // SAFETY: kill touches no memory.
        done(unsafe { libc::kill(self.child.id() as _, signal) }).expect("it is a child");
    }

    /// Whether it has the segment attached now.
    pub fn has_segment(&self) -> bool {
        let maps = fs::read_to_string(format!("/proc/{}/maps", self.child.id()));
        maps.expect("it is a child")
            .contains(&format!("SYSV{KEY:08x}"))
    }

    /// Waits until the run has ended.
    pub fn wait(self) -> Run {
        let Started { line, child } = self;
        let output = child.wait_with_output().expect("it is a child");
        Run { line, output }
    }
}

/// A run that has ended.
pub struct Run {
    line: String,
    pub output: Output,
}

impl Run {
    pub fn of(command: &mut Command) -> Run {
        Started::of(command).wait()
    }

    /// Skips the test on status 127: a dynamic linker could not start the program.
    pub fn skip_on_127(self) -> Run {
        if self.output.status.code() == Some(127) {
            skip("a dynamic linker cannot start the program so");
        }
        self
    }

    /// The run succeeded, printed this, and said nothing.
    #[track_caller]
    pub fn prints(self, expected: impl AsRef<[u8]>) {
        let run = self.exits(0, expected);
        run.check(run.output.stderr.is_empty(), "nothing on stderr");
    }

    /// The run failed with this status, printed nothing, and said why in lines of up to 80 characters.
    #[track_caller]
    pub fn fails(self, status: i32) -> Run {
        let message = self.stderr();
        let holds = message.starts_with("shmcli: ")
            && message.ends_with('\n')
            && message.lines().all(|line| line.chars().count() <= 80)
            && !message.contains(|char: char| char.is_control() && char != '\n');
        self.check(holds, "a message of shmcli");
        self.exits(status, "")
    }

    /// The run exited with this status, and printed this.
    #[track_caller]
    pub fn exits(self, status: i32, stdout: impl AsRef<[u8]>) -> Run {
        let stdout = stdout.as_ref();
        let holds = self.output.status.code() == Some(status) && self.output.stdout == stdout;
        self.check(holds, &format!("status {status}, and {}", shown(stdout)));
        self
    }

    /// The run was killed by this signal, and said nothing.
    #[track_caller]
    pub fn dies_of(self, signal: c_int) {
        let holds = self.output.status.signal() == Some(signal) && self.stderr().is_empty();
        self.check(holds, &format!("signal {signal}, and no message"));
    }

    /// The run said all of this.
    #[track_caller]
    pub fn says(self, parts: impl IntoIterator<Item: AsRef<str>>) -> Run {
        for part in parts {
            let part = part.as_ref();
            self.check(self.stderr().contains(part), &format!("to say: {part}"));
        }
        self
    }

    /// The run gave this reason, as Rust words it.
    #[track_caller]
    pub fn says_reason(self, errno: c_int) -> Run {
        self.says([io::Error::from_raw_os_error(errno).to_string()])
    }

    #[track_caller]
    pub fn check(&self, holds: bool, expected: &str) {
        let (status, stdout) = (self.output.status, shown(&self.output.stdout));
        let (line, stderr) = (&self.line, self.stderr());
        assert!(
            holds,
            "{line}\n  expected: {expected}\n  got: {status}, {stdout}, and on stderr:\n{stderr}"
        );
    }

    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }
}

/// The start of these bytes, as text in quotes.
pub fn shown(bytes: &[u8]) -> String {
    let start = &bytes[..bytes.len().min(200)];
    format!("\"{}\" ({} bytes)", start.escape_ascii(), bytes.len())
}
