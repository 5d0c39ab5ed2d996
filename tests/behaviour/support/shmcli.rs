//! Runs of the binary, and what must hold of them.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};

/// Runs shmcli with these arguments.
pub fn shmcli<I: IntoIterator<Item: AsRef<OsStr>>>(args: I) -> Run {
    Run::of(command().args(args))
}

/// The binary, for a run that needs more than arguments.
pub fn command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_shmcli"))
}

/// The binary, for a run without root's right to use any segment.
pub fn unprivileged_command() -> Command {
    const CAP_IPC_OWNER: libc::c_ulong = 15;

    let mut command = command();
    // SAFETY: prctl is a mere system call, which may be made between fork and exec.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_CAPBSET_DROP, CAP_IPC_OWNER);
            Ok(())
        })
    };
    command
}

/// A run that has ended.
pub struct Run {
    name: String,
    output: Output,
}

impl Run {
    pub fn of(command: &mut Command) -> Run {
        let output = command.output().expect("shmcli can be run");
        Run::ended(format!("{command:?}"), output)
    }

    /// Names the run by so much of its command line as is good to read.
    pub fn ended(command_line: String, output: Output) -> Run {
        let name = command_line.chars().take(200).collect();
        Run { name, output }
    }

    #[track_caller]
    pub fn prints(self, expected: impl AsRef<[u8]>) {
        self.ends(0, expected.as_ref());
        let told = String::from_utf8_lossy(&self.output.stderr);
        assert_eq!(told, "", "{}", self.name);
    }

    #[track_caller]
    pub fn fails(self, status: i32) -> Failure {
        self.ends(status, b"");
        Failure(String::from_utf8_lossy(&self.output.stderr).into_owned())
    }

    /// What is printed where any may be.
    pub fn stdout(&self) -> &[u8] {
        &self.output.stdout
    }

    pub fn status(&self) -> Option<i32> {
        self.output.status.code()
    }

    #[track_caller]
    fn ends(&self, status: i32, stdout: &[u8]) {
        let told = self.output.stderr.escape_ascii();
        assert_eq!(
            self.output.status.code(),
            Some(status),
            "{} told {told}",
            self.name
        );
        assert_eq!(
            self.output.stdout.escape_ascii().to_string(),
            stdout.escape_ascii().to_string(),
            "{}",
            self.name
        );
    }
}

/// What a failed run told on stderr.
pub struct Failure(String);

impl Failure {
    #[track_caller]
    pub fn starts(self, start: &str) -> Failure {
        assert!(self.0.starts_with(start), "{}", self.0);
        self
    }

    #[track_caller]
    pub fn says(self, part: &str) -> Failure {
        assert!(self.0.contains(part), "{}", self.0);
        self
    }

    #[track_caller]
    pub fn does_not_say(self, part: &str) -> Failure {
        assert!(!self.0.contains(part), "{}", self.0);
        self
    }

    #[track_caller]
    pub fn is(self, whole: &str) {
        assert_eq!(self.0, whole);
    }
}
