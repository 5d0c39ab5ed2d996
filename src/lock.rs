//! Makes runs take turns with a flock(2) lock: texts do not mix, and no run comes between the flags of a swap.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};
use std::{io, thread};

/// The file to lock: the IPC namespace of this process. Each namespace has its own segments, and all its runs that can
/// open this file lock the same one, whatever their user, root directory or container. A file in `/tmp` might differ.
const NAMESPACE: &str = "/proc/self/ns/ipc";

/// Locked instead if [`NAMESPACE`] does not exist. Then only runs that lock the same directory wait for each other.
const ROOT: &str = "/";

const TIMEOUT: Duration = Duration::from_secs(10);

/// The pause between tries doubles: short at first, since a run is quick, and longer later, to spare the
/// processor while many wait.
const FIRST_PAUSE: Duration = Duration::from_micros(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(10);

/// Acquires the lock, after waiting for other runs to release it. It is held until the returned file is dropped or the
/// process ends.
///
/// A blocking flock has no time limit, so this tries again and again. alarm(2) could interrupt it, but would replace
/// an alarm set by this program's caller.
///
/// Fails if the file cannot be opened or locked, or if no try within [`TIMEOUT`] gets the lock.
pub fn acquire() -> Result<File, String> {
    let opened = match File::open(NAMESPACE) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => File::open(ROOT),
        result => result,
    };
    let file = opened.map_err(not_lockable)?;
    let start = Instant::now();
    let mut pause = FIRST_PAUSE;
    while !try_lock(&file).map_err(not_lockable)? {
        if start.elapsed() >= TIMEOUT {
            return Err(timed_out());
        }
        thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    Ok(file)
}

/// Returns `false` if the lock is taken. `File::try_lock` does this from Rust 1.89 on.
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

fn not_lockable(error: io::Error) -> String {
    format!(
        "could not get the lock: {error}\n\
         A run opens {NAMESPACE}, or {ROOT} if that does not exist, and locks it\n\
         with flock(2). A sandbox or a limit on open files (`ulimit -n`) may prevent it."
    )
}

fn timed_out() -> String {
    let seconds = TIMEOUT.as_secs();
    format!(
        "could not get the lock within {seconds} seconds\n\
         Processes that have {NAMESPACE} open ({ROOT} if that is missing) may hold it.\n\
         See `fuser -v {NAMESPACE}`, as root, in each container with this segment.\n\
         Resume a suspended one (`kill -CONT PID`), or end it (`kill -KILL PID`)."
    )
}
