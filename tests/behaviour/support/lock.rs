//! The lock as another program takes it: flock(2).

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

use libc::c_int;

/// The file that runs lock. A test's IPC namespace is that of its thread.
pub const NAMESPACE: &str = "/proc/thread-self/ns/ipc";

/// The lock, held until this is dropped.
pub struct Lock(File);

impl Lock {
    /// Takes the lock on this file: `LOCK_EX`, or `LOCK_SH`, which keeps out only who wants it alone, or one of them
    /// with `LOCK_NB`, which fails instead of waiting.
    pub fn take(file: impl AsRef<Path>, operation: c_int) -> io::Result<Lock> {
        let file = File::open(file)?;
        // SAFETY: flock touches no memory.
        match unsafe { libc::flock(file.as_raw_fd(), operation) } {
            0 => Ok(Lock(file)),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Shares the lock with all that this process starts from now on: it is held until they have ended, too.
    pub fn inherited(self) -> Lock {
        // SAFETY: fcntl with this command touches no memory.
        let inherits = unsafe { libc::fcntl(self.0.as_raw_fd(), libc::F_SETFD, 0) };
        assert_eq!(inherits, 0, "{}", io::Error::last_os_error());
        self
    }
}
