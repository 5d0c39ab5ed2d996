//! Runs of the binary, and what must hold of them.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt;
use std::iter;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use libc::c_int;

use super::place::skip;
use super::shown::shown;

pub const BINARY: &str = env!("CARGO_BIN_EXE_shmcli");

/// Runs shmcli with these arguments.
pub fn shmcli<I: IntoIterator<Item: AsRef<OsStr>>>(args: I) -> Run {
    Run::of(command().args(args))
}

/// The binary, for a run that needs more than arguments.
pub fn command() -> Command {
    Command::new(BINARY)
}

/// Does this so many times at once, and returns what came of it in the order of the numbers.
pub fn storm<T: Send>(runs: usize, run: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let all_are_there = Barrier::new(runs);
    thread::scope(|scope| {
        let start = |number| {
            let (all_are_there, run) = (&all_are_there, &run);
            scope.spawn(move || {
                all_are_there.wait();
                run(number)
            })
        };
        let threads: Vec<_> = (0..runs).map(start).collect();
        let results = threads.into_iter().map(|thread| thread.join());
        results
            .map(|result| result.expect("each run does what it should"))
            .collect()
    })
}

/// A run that goes on beside the test.
pub struct Started {
    name: String,
    child: Child,
}

impl Started {
    /// Starts a run, or skips the test where something that comes before the program is not allowed.
    pub fn of(command: &mut Command) -> Started {
        Started::writing_to(Stdio::piped(), command)
    }

    fn writing_to(stdout: impl Into<Stdio>, command: &mut Command) -> Started {
        let name = name_of(command);
        command.stdout(stdout).stderr(Stdio::piped());
        match command.spawn() {
            Ok(child) => Started { name, child },
            Err(error) => skip(&format!(
                "{name} cannot be started as the test wants it: {error}"
            )),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn pid(&self) -> libc::pid_t {
        self.child.id() as libc::pid_t
    }

    pub fn stdout(&mut self) -> ChildStdout {
        self.child
            .stdout
            .take()
            .expect("stdout is a pipe that is taken once")
    }

    /// The run does not end by itself for a while.
    #[track_caller]
    pub fn waits(mut self) -> Started {
        thread::sleep(Duration::from_millis(300));
        if self
            .child
            .try_wait()
            .expect("a child can be waited for")
            .is_some()
        {
            panic!("{}\n  expected: to wait for its turn", self.ends());
        }
        self
    }

    pub fn ends(self) -> Run {
        let output = self
            .child
            .wait_with_output()
            .expect("a child can be waited for");
        Run {
            name: self.name,
            output,
        }
    }

    pub fn kill(mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a child can be waited for");
    }
}

/// A run that has ended.
pub struct Run {
    name: String,
    output: Output,
}

impl Run {
    pub fn of(command: &mut Command) -> Run {
        Started::of(command).ends()
    }

    pub fn writing_to(stdout: impl Into<Stdio>, command: &mut Command) -> Run {
        Started::writing_to(stdout, command).ends()
    }

    /// The run ended well, printed this, and told nothing.
    #[track_caller]
    pub fn prints(self, expected: impl AsRef<[u8]>) {
        self.ended_with(0, expected.as_ref());
        assert!(
            self.output.stderr.is_empty(),
            "{self}\n  expected: nothing on stderr"
        );
    }

    /// The run failed with this status and printed nothing.
    #[track_caller]
    pub fn fails(self, status: i32) -> Failure {
        self.ended_with(status, b"");
        Failure(self)
    }

    /// The run was ended by this signal and told nothing.
    #[track_caller]
    pub fn ends_by_signal(self, signal: c_int) {
        let silent = self.output.stderr.is_empty();
        assert!(
            silent && self.output.status.signal() == Some(signal),
            "{self}\n  expected: the end by signal {signal}, and nothing on stderr"
        );
    }

    #[track_caller]
    fn ended_with(&self, status: i32, stdout: &[u8]) {
        if self.output.status.code() != Some(status) || self.output.stdout != stdout {
            panic!(
                "{self}\n  expected: exit status {status}, and on stdout {}",
                shown(stdout)
            );
        }
    }

    /// What is printed where any may be.
    pub fn stdout(&self) -> &[u8] {
        &self.output.stdout
    }

    pub fn status(&self) -> ExitStatus {
        self.output.status
    }
}

/// The command line, and what came of it.
impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Output {
            status,
            stdout,
            stderr,
        } = &self.output;
        let stderr = String::from_utf8_lossy(stderr);
        write!(
            f,
            "{}\n  came:     {status}, and on stdout {}",
            self.name,
            shown(stdout)
        )?;
        if stderr.is_empty() {
            return Ok(());
        }
        write!(f, ", and on stderr:\n{}", stderr.trim_end())
    }
}

/// A failed run, and what it told on stderr.
pub struct Failure(Run);

impl Failure {
    #[track_caller]
    pub fn starts(self, start: &str) -> Failure {
        assert!(
            self.told().starts_with(start),
            "{}\n  expected: this at the start of stderr:\n{start}",
            self.0
        );
        self
    }

    #[track_caller]
    pub fn says(self, part: &str) -> Failure {
        assert!(
            self.told().contains(part),
            "{}\n  expected: this on stderr:\n{part}",
            self.0
        );
        self
    }

    #[track_caller]
    pub fn does_not_say(self, part: &str) -> Failure {
        assert!(
            !self.told().contains(part),
            "{}\n  expected: not this on stderr:\n{part}",
            self.0
        );
        self
    }

    #[track_caller]
    pub fn is(self, whole: &str) {
        assert!(
            self.told() == whole,
            "{}\n  expected: just this on stderr:\n{whole}",
            self.0
        );
    }

    fn told(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0.output.stderr)
    }
}

/// So much of a command line as is good to read.
fn name_of(command: &Command) -> String {
    let words = iter::once(command.get_program()).chain(command.get_args());
    let words = words.map(|word| match word.as_bytes() {
        b"" => "''".to_owned(),
        word if word == BINARY.as_bytes() => "shmcli".to_owned(),
        word if word.len() <= 60 => word.escape_ascii().to_string(),
        word => shown(word),
    });
    let line: Vec<String> = words.collect();
    match line.len() {
        0..=20 => line.join(" "),
        length => format!("{} … (of {length} words)", line[..20].join(" ")),
    }
}
