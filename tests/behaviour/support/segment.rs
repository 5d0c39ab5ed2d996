//! The segment and the lock as another program has them: shmget(2), shmat(2), shmctl(2) and flock(2).

use std::fs::File;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU8, Ordering};
use std::{io, mem, ptr, slice};

use libc::c_int;

use super::*;

pub const SIZE: usize = 4096;
pub const KEY: libc::key_t = 3148;

/// The segment's identifier.
pub struct Segment(c_int);

impl Segment {
    /// Creates the segment, which must not exist yet.
    #[track_caller]
    pub fn create(size: usize, mode: c_int) -> Segment {
        let created = Segment::get(size, libc::IPC_CREAT | libc::IPC_EXCL | mode);
        created.expect("the segment cannot be created, or is there already")
    }

    /// Creates the segment with this at its start and `z` in all that follows.
    pub fn holding(start: &[u8]) -> Segment {
        let segment = Segment::create(SIZE, 0o666);
        segment.write(&[b'z'; SIZE]);
        segment.write(start);
        segment
    }

    pub fn find() -> Option<Segment> {
        Segment::get(0, 0)
    }

    /// The segment that shmcli must have created.
    #[track_caller]
    pub fn existing() -> Segment {
        Segment::find().expect("there is no segment")
    }

    fn get(size: usize, flags: c_int) -> Option<Segment> {
        // SAFETY: shmget touches no memory of this process.
        let id = unsafe { libc::shmget(KEY, size, flags) };
        (id != -1).then_some(Segment(id))
    }

    pub fn bytes(&self) -> Vec<u8> {
        let load = |byte: &AtomicU8| byte.load(Ordering::Relaxed);
        self.attached(|bytes| bytes.iter().map(load).collect())
    }

    #[track_caller]
    pub fn holds(&self, expected: &[u8]) {
        let got = self.bytes();
        let (shown_got, shown_expected) = (shown(&got), shown(expected));
        assert!(
            got == expected,
            "the segment holds {shown_got}, not {shown_expected}"
        );
    }

    /// What precedes the first NUL.
    pub fn string(&self) -> String {
        let text = self.bytes().into_iter().take_while(|&byte| byte != 0);
        String::from_utf8(text.collect()).expect("the string is UTF-8")
    }

    /// Writes this over the start.
    pub fn write(&self, new: &[u8]) {
        self.attached(|bytes| {
            for (byte, &new) in bytes[..new.len()].iter().zip(new) {
                byte.store(new, Ordering::Relaxed);
            }
        });
    }

    fn attached<T>(&self, action: impl FnOnce(&[AtomicU8]) -> T) -> T {
        // SAFETY: with a null address the kernel chooses one where nothing is mapped.
        let address = unsafe { libc::shmat(self.0, ptr::null(), 0) };
        assert_ne!(address as isize, -1, "shmat(2) fails");
        // SAFETY: the segment is attached there, with this size, until shmdt.
        unsafe {
            let size = self.status().expect("it can be read").shm_segsz;
            let result = action(slice::from_raw_parts(address.cast(), size));
            libc::shmdt(address);
            result
        }
    }

    pub fn remove(&self) -> io::Result<()> {
        self.control(libc::IPC_RMID, ptr::null_mut())
    }

    pub fn status(&self) -> io::Result<libc::shmid_ds> {
        // SAFETY: all of a shmid_ds are integers, which may be zero.
        let mut status = unsafe { mem::zeroed() };
        self.control(libc::IPC_STAT, &mut status)?;
        Ok(status)
    }

    fn control(&self, operation: c_int, status: *mut libc::shmid_ds) -> io::Result<()> {
        // SAFETY: status is valid, or null for an operation that needs none.
        done(unsafe { libc::shmctl(self.0, operation, status) })
    }
}

/// What a run locks, as a test finds it: its IPC namespace is that of its thread.
pub const NAMESPACE: &str = "/proc/thread-self/ns/ipc";

/// Locks this file, as flock(2) does with this operation, until the returned file is dropped.
pub fn lock(file: &str, operation: c_int) -> io::Result<File> {
    let file = File::open(file)?;
    // SAFETY: flock touches no memory.
    done(unsafe { libc::flock(file.as_raw_fd(), operation) })?;
    Ok(file)
}
