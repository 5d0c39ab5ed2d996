//! Runs of the program, and what must hold of them: what they print on stdout, and what they say on stderr.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::iter;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use libc::c_int;

use super::conditions::is_refusal;
use super::place::skip;

pub const BINARY: &str = env!("CARGO_BIN_EXE_shmcli");

/// Runs shmcli with these arguments.
pub fn shmcli<I: IntoIterator<Item: AsRef<OsStr>>>(args: I) -> Run {
    Run::of(command().args(args))
}

/// The program, for a run that needs more than arguments.
pub fn command() -> Command {
    Command::new(BINARY)
}

/// A run that goes on beside the test.
pub struct Started {
    name: String,
    pub child: Child,
}

impl Started {
    #[track_caller]
    pub fn of(command: &mut Command) -> Started {
        Started::writing_to(Stdio::piped(), command)
    }

    #[track_caller]
    fn writing_to(stdout: impl Into<Stdio>, command: &mut Command) -> Started {
        let words = iter::once(command.get_program()).chain(command.get_args());
        let words = words.take(20).map(|word| shown(word.as_bytes()));
        let name = words.collect::<Vec<_>>().join(" ");
        match command.stdout(stdout).stderr(Stdio::piped()).spawn() {
            Ok(child) => Started { name, child },
            Err(error) if is_refusal(&error) => skip(&format!("a system call is refused: {error}")),
            Err(error) => panic!("{name} cannot be started: {error}"),
        }
    }

    pub fn pid(&self) -> libc::pid_t {
        self.child.id() as libc::pid_t
    }

    /// The run does not end by itself within 300 ms.
    #[track_caller]
    pub fn waits(mut self) -> Started {
        thread::sleep(Duration::from_millis(300));
        if let Ok(Some(_)) = self.child.try_wait() {
            panic!("{}\n  expected: to wait", self.ends());
        }
        self
    }

    pub fn signal(&self, signal: c_int) {
        // SAFETY: kill touches no memory of this process.
        assert_eq!(unsafe { libc::kill(self.pid(), signal) }, 0);
    }

    pub fn ends(self) -> Run {
        let output = self.child.wait_with_output();
        Run {
            name: self.name,
            output: output.expect("a child can be waited for"),
        }
    }
}

/// A run that has ended.
pub struct Run {
    name: String,
    output: Output,
}

impl Run {
    #[track_caller]
    pub fn of(command: &mut Command) -> Run {
        Started::of(command).ends()
    }

    #[track_caller]
    pub fn writing_to(stdout: impl Into<Stdio>, command: &mut Command) -> Run {
        Started::writing_to(stdout, command).ends()
    }

    /// Skips the test on status 127: a dynamic linker could not start the program.
    pub fn skip_on_127(self) -> Run {
        if self.code() == Some(127) {
            skip("a dynamic linker cannot start the program so");
        }
        self
    }

    /// The run ended well, printed this, and said nothing.
    #[track_caller]
    pub fn prints(self, expected: impl AsRef<[u8]>) {
        let said_nothing = self.output.stderr.is_empty();
        self.ends_with(0, expected)
            .check(said_nothing, "nothing on stderr");
    }

    /// The run failed with this status, printed nothing, and said why.
    #[track_caller]
    pub fn fails(self, status: i32) -> Run {
        self.ends_with(status, "").has_message()
    }

    #[track_caller]
    pub fn ends_with(self, status: i32, stdout: impl AsRef<[u8]>) -> Run {
        let stdout = stdout.as_ref();
        let holds = self.code() == Some(status) && self.stdout() == stdout;
        self.check(holds, &format!("status {status}, and {}", shown(stdout)));
        self
    }

    /// What the run said has the form of a message.
    #[track_caller]
    pub fn has_message(self) -> Run {
        let message = self.stderr();
        let holds = message.starts_with("shmcli: ")
            && message.ends_with('\n')
            && message.lines().all(|line| line.chars().count() <= 80)
            && !message.contains(|char: char| char.is_control() && char != '\n');
        self.check(holds, "a message of shmcli in lines of up to 80 columns");
        self
    }

    /// The run said all of these parts, which `|` separates.
    #[track_caller]
    pub fn says(self, parts: &str) -> Run {
        for part in parts.split('|') {
            self.check(self.stderr().contains(part), &format!("to say: {part}"));
        }
        self
    }

    #[track_caller]
    pub fn does_not_say(self, part: &str) -> Run {
        let holds = !self.stderr().contains(part);
        self.check(holds, &format!("not to say: {part}"));
        self
    }

    /// The run gave this reason, in the words of the system's C library.
    #[track_caller]
    pub fn says_reason(self, errno: c_int) -> Run {
        self.says(&io::Error::from_raw_os_error(errno).to_string())
    }

    /// The run was ended by this signal and said nothing.
    #[track_caller]
    pub fn ends_by_signal(self, signal: c_int) {
        let holds = self.output.status.signal() == Some(signal) && self.stderr().is_empty();
        self.check(holds, &format!("signal {signal}, and no message"));
    }

    #[track_caller]
    pub fn check(&self, holds: bool, expected: &str) {
        assert!(holds, "{self}\n  expected: {expected}");
    }

    pub fn code(&self) -> Option<i32> {
        self.output.status.code()
    }

    pub fn stdout(&self) -> &[u8] {
        &self.output.stdout
    }

    fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }
}

/// The command line, and what came of it.
impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let (status, stdout) = (self.output.status, shown(self.stdout()));
        let (name, said) = (&self.name, self.stderr());
        write!(
            f,
            "{name}\n  got:      {status}, and {stdout}, and on stderr:\n{said}"
        )
    }
}

/// Bytes as text in quotes, long ones cut in the middle.
pub fn shown(bytes: &[u8]) -> String {
    const END: usize = 60;

    if bytes.len() <= 2 * END {
        return format!("\"{}\"", bytes.escape_ascii());
    }
    let (start, end) = (&bytes[..END], &bytes[bytes.len() - END..]);
    let (start, end) = (start.escape_ascii(), end.escape_ascii());
    format!("\"{start} … {end}\" ({} bytes)", bytes.len())
}

/// Compares what there is with what is expected.
#[track_caller]
pub fn expect_bytes(what: &str, got: &[u8], expected: &[u8]) {
    assert!(
        got == expected,
        "{what}\n  expected: {}\n  got:      {}",
        shown(expected),
        shown(got)
    );
}
