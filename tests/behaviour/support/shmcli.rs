//! Runs of the binary, and what must hold of them.

use std::borrow::Cow;
use std::env;
use std::ffi::{CString, OsStr};
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::iter;
use std::os::fd::IntoRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{self, Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::ptr;
use std::thread;
use std::time::Duration;

use libc::{c_int, c_long};

use super::place::skip;
use super::shown::shown;

pub const BINARY: &str = env!("CARGO_BIN_EXE_shmcli");

/// Some user who is neither root nor the caller.
const NOBODY: u32 = 65534;

/// Runs shmcli with these arguments.
pub fn shmcli<I: IntoIterator<Item: AsRef<OsStr>>>(args: I) -> Run {
    Run::of(command().args(args))
}

/// The binary, for a run that needs more than arguments.
pub fn command() -> Command {
    Command::new(BINARY)
}

/// The binary, for a run without root's right to use any segment.
pub fn unprivileged_command() -> Command {
    const CAP_IPC_OWNER: libc::c_ulong = 15;

    with_first_calls(command(), || {
        // SAFETY: prctl with this operation touches no memory. It fails for those who lack the right anyway.
        unsafe { libc::prctl(libc::PR_CAPBSET_DROP, CAP_IPC_OWNER) };
        Ok(())
    })
}

/// The binary, for a run of another user, who need not be able to reach the folder that it is in.
pub fn command_of_another_user() -> Command {
    let binary = File::open(BINARY).expect("the binary can be read");
    // SAFETY: this descriptor is open. The copy stays open for all runs, which inherit it.
    let inherited = unsafe { libc::dup(binary.into_raw_fd()) };
    let mut command = Command::new(format!("/proc/self/fd/{inherited}"));
    become_another_user(&mut command);
    command
}

/// Makes this a command of another user, or skips the test where this user may not do so.
pub fn become_another_user(command: &mut Command) {
    if let Err(error) = Command::new("true").uid(NOBODY).gid(NOBODY).status() {
        skip(&format!("no other user can be had here: {error}"));
    }
    command.uid(NOBODY).gid(NOBODY);
}

/// The binary, for a run that finds nothing in /proc.
pub fn command_without_proc() -> Command {
    with_first_calls(command(), || {
        const NOTHING: *const libc::c_char = ptr::null();
        let private = libc::MS_REC | libc::MS_PRIVATE;
        // SAFETY: all strings end with a NUL, and mount allows null for the rest.
        let failed = unsafe {
            libc::unshare(libc::CLONE_NEWNS) == -1
                || libc::mount(NOTHING, c"/".as_ptr(), NOTHING, private, ptr::null()) == -1
                || libc::mount(
                    c"none".as_ptr(),
                    c"/proc".as_ptr(),
                    c"tmpfs".as_ptr(),
                    0,
                    ptr::null(),
                ) == -1
        };
        if failed {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    })
}

/// A root directory that holds nothing but the binary, until this is dropped.
pub struct EmptyRoot(PathBuf);

impl EmptyRoot {
    pub fn create() -> EmptyRoot {
        let root = EmptyRoot(env::temp_dir().join(format!("shmcli-test-{}", process::id())));
        fs::create_dir(&root.0).expect("a folder can be made for the tests");
        fs::copy(BINARY, root.0.join("shmcli")).expect("the binary can be copied");
        root
    }

    pub fn command(&self) -> Command {
        let root = CString::new(self.0.as_os_str().as_bytes()).expect("a path holds no NUL");
        with_first_calls(Command::new("/shmcli"), move || {
            // SAFETY: both paths end with a NUL.
            match unsafe { libc::chroot(root.as_ptr()) | libc::chdir(c"/".as_ptr()) } {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            }
        })
    }
}

impl Drop for EmptyRoot {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).expect("a folder of the tests can be removed");
    }
}

/// The binary, for a run in which the system answers these calls with this error, as a sandbox may.
pub fn command_with_denied_calls(calls: &[c_long], errno: c_int) -> Command {
    const LOAD_NUMBER: u16 = 0x20;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;

    let denial = libc::SECCOMP_RET_ERRNO | errno as u32;
    let instruction = |code, jt, k| libc::sock_filter { code, jt, jf: 0, k };
    let jumps = (0..calls.len()).map(|index| (calls.len() - index) as u8);
    let compare =
        iter::zip(jumps, calls).map(|(jump, &call)| instruction(JUMP_IF_EQUAL, jump, call as u32));
    let mut filter = vec![instruction(LOAD_NUMBER, 0, 0)];
    filter.extend(compare);
    filter.push(instruction(RETURN, 0, libc::SECCOMP_RET_ALLOW));
    filter.push(instruction(RETURN, 0, denial));
    with_first_calls(command(), move || {
        let program = libc::sock_fprog {
            len: filter.len() as u16,
            filter: filter.as_mut_ptr(),
        };
        // SAFETY: the program and its filter exist as long as the call takes.
        let failed = unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1
                || libc::prctl(
                    libc::PR_SET_SECCOMP,
                    libc::SECCOMP_MODE_FILTER,
                    &raw const program,
                ) == -1
        };
        if failed {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    })
}

/// Makes these system calls before the command's program is started. They must allocate nothing.
pub fn with_first_calls(
    mut command: Command,
    calls: impl FnMut() -> io::Result<()> + Send + Sync + 'static,
) -> Command {
    // SAFETY: between fork and exec, system calls may be made that allocate nothing.
    unsafe { command.pre_exec(calls) };
    command
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
