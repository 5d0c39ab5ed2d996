//! The lock as another program takes it: flock(2).

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::path::Path;

use libc::c_int;

/// The file that runs lock.
pub const NAMESPACE: &str = "/proc/self/ns/ipc";

/// The lock, held until this is dropped.
pub struct Lock(File);

impl Lock {
    /// Takes the lock on this file: `LOCK_EX`, or `LOCK_SH`, which keeps out only who wants it alone, or one of them
    /// with `LOCK_NB`, which fails instead of waiting.
    pub fn take(file: impl AsRef<Path>, operation: c_int) -> io::Result<Lock> {
        let file = File::open(file)?;
        // SAFETY: flock touches no memory of this process.
        match unsafe { libc::flock(file.as_raw_fd(), operation) } {
            0 => Ok(Lock(file)),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Keeps the lock until this process and all that it starts from now on have ended.
    pub fn keep_in_children(self) {
        // SAFETY: this descriptor is open. The copy is inherited, which a File is not.
        assert_ne!(unsafe { libc::dup(self.0.into_raw_fd()) }, -1);
    }
}
