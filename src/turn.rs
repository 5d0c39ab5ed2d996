//! One run at a time: whose turn it is, by a lock that the kernel keeps.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::thread;
use std::time::{Duration, Instant};

/// The IPC namespace of this process, as a file: the same one for all who share the segment, whatever their user, root
/// directory or container, and another one for all who have a segment of their own. So the lock reaches exactly as far
/// as the segment, which a lock file, `/dev/shm` or a semaphore would not.
const NAMESPACE: &str = "/proc/self/ns/ipc";

/// What is locked where there is no such file.
const ROOT: &str = "/";

const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Pauses double from the first to the longest.
const FIRST_PAUSE: Duration = Duration::from_micros(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(10);

/// This run's turn, until it is dropped. The kernel ends the turn of a run that dies.
pub struct Turn {
    _locked: File,
}

impl Turn {
    /// Takes a turn with flock(2), after waiting for the turns of other runs to end.
    ///
    /// flock has no time limit, so this asks again and again. alarm(2) could interrupt it, but would replace an alarm
    /// that the caller of this program has set.
    ///
    /// # Errors
    ///
    /// There is nothing that can be locked, or others had the turn for [`LONGEST_WAIT`].
    pub fn take() -> Result<Turn, TurnError> {
        let (path, file) = open()?;
        let start = Instant::now();
        let mut pause = FIRST_PAUSE;
        while !try_lock(&file).map_err(|reason| TurnError::Call("flock", path, reason))? {
            if start.elapsed() >= LONGEST_WAIT {
                return Err(TurnError::TimedOut(path));
            }
            thread::sleep(pause);
            pause = LONGEST_PAUSE.min(pause * 2);
        }
        Ok(Turn { _locked: file })
    }
}

/// Opens what is to be locked.
fn open() -> Result<(&'static str, File), TurnError> {
    let (path, opened) = match File::open(NAMESPACE) {
        Err(reason) if !is_shortage(&reason) => (ROOT, File::open(ROOT)),
        opened => (NAMESPACE, opened),
    };
    match opened {
        Ok(file) => Ok((path, file)),
        Err(reason) => Err(TurnError::Call("open", path, reason)),
    }
}

/// Whether a file could not be opened for want of resources alone. A run that locked the other file then would take no
/// turn with the rest.
fn is_shortage(reason: &io::Error) -> bool {
    use libc::{EMFILE, ENFILE, ENOMEM};

    matches!(reason.raw_os_error(), Some(EMFILE | ENFILE | ENOMEM))
}

/// Returns `false` where another process has locked the file. `File::try_lock` does this from Rust 1.89 on.
fn try_lock(file: &File) -> io::Result<bool> {
    // SAFETY: flock touches no memory of this process.
    if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } == 0 {
        return Ok(true);
    }
    match io::Error::last_os_error() {
        error if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        error => Err(error),
    }
}

/// Why a run got no turn.
pub enum TurnError {
    /// This call failed on this file.
    Call(&'static str, &'static str, io::Error),
    /// Others had this file locked for [`LONGEST_WAIT`].
    TimedOut(&'static str),
}

/// What failed, the reason, and what to do.
impl fmt::Display for TurnError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            TurnError::Call(call, path, reason) => write!(
                f,
                "no turn: {call} of {path} failed: {reason}\n\
                 A run opens and locks {NAMESPACE}, or {ROOT} where that cannot be opened. This takes a free file \
                 descriptor (`ulimit -n`), and a system, sandbox or container that allows it."
            ),
            TurnError::TimedOut(path) => write!(
                f,
                "no turn within {} seconds: a run that is stopped in the middle, another program or very many runs \
                 had the lock\n\
                 As root and outside of containers, `lslocks` shows the process that took the lock on {}. Let it go \
                 on (`kill -CONT PID`), or end it and its children (`kill -KILL PID`), and try again.",
                LONGEST_WAIT.as_secs(),
                name_outside(path)
            ),
        }
    }
}

/// What other processes call this file: a namespace has a name such as `ipc:[4026531839]`.
fn name_outside(path: &str) -> String {
    match fs::read_link(path) {
        Ok(name) => name.display().to_string(),
        Err(_) => "the root directory of this run".to_owned(),
    }
}
