//! The shared memory segment: all System V calls are here.

use std::ffi::c_int;
use std::sync::atomic::{AtomicU8, Ordering};
use std::{io, ptr};

const KEY: libc::key_t = 3148;
const SIZE: usize = 4096;

/// shmat fails if the segment was destroyed after shmget. A retry helps then, but not if a sandbox, say, causes the
/// same error each time. So the retries are limited.
const MAX_RETRIES: u32 = 1000;

/// A text that fits the segment, and the NUL that ends it there.
#[derive(Clone)]
pub struct Text(Vec<u8>);

impl Text {
    /// Length of the longest text, in bytes: the segment has room for a NUL after it.
    pub const MAX_LENGTH: usize = SIZE - 1;

    /// Fails if the text is longer than [`Text::MAX_LENGTH`].
    pub fn new(mut text: Vec<u8>) -> Result<Text, String> {
        let (length, limit) = (text.len(), Text::MAX_LENGTH);
        if length > limit {
            return Err(format!("the text has {length} bytes; the limit is {limit}"));
        }
        text.push(0);
        Ok(Text(text))
    }
}

/// The segment, attached until this is dropped. Its bytes are atomics, because programs that do not take the lock may
/// write to them at any moment.
pub struct Segment(*const [AtomicU8; SIZE]);

impl Segment {
    /// Gets the segment, creating it if it does not exist, and attaches it: shmget(2) and shmat(2).
    pub fn attach() -> Result<Segment, String> {
        let mut retries = 0;
        loop {
            let id = shmget().map_err(|error| call_failed("shmget", error))?;
            match shmat(id) {
                Err(error) if may_be_destroyed(&error) && retries < MAX_RETRIES => retries += 1,
                result => return result.map_err(|error| call_failed("shmat", error)),
            }
        }
    }

    /// Empties the string, then stores the text from its NUL back to its first byte. Until the first byte is stored,
    /// the string is empty, so a run that is killed at any point leaves the old text, the new one or an empty one.
    pub fn store(&self, text: &Text) {
        let bytes = self.bytes();
        // Release keeps these stores in order: a killed run has done all up to some point, and none after.
        // `load` needs no order (Relaxed), since the lock keeps other runs from storing meanwhile.
        bytes[0].store(0, Ordering::Release);
        for (index, &byte) in text.0.iter().enumerate().rev() {
            bytes[index].store(byte, Ordering::Release);
        }
    }

    /// Returns the bytes before the first NUL, as puts(3) prints them, or all [`SIZE`] bytes if there is none.
    pub fn load(&self) -> Vec<u8> {
        let bytes = self.bytes().iter().map(|byte| byte.load(Ordering::Relaxed));
        bytes.take_while(|&byte| byte != 0).collect()
    }

    fn bytes(&self) -> &[AtomicU8; SIZE] {
        // SAFETY: shmat attached this segment of SIZE bytes or more (shmget refuses a smaller one), to read and write.
        unsafe { &*self.0 }
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // The result is ignored: shmdt fails only if the segment is not attached.
        // SAFETY: shmat returned this address, and no reference into the segment outlives self.
        unsafe { libc::shmdt(self.0.cast()) };
    }
}

/// Returns the identifier of the segment, which it creates if there is none.
fn shmget() -> io::Result<c_int> {
    // SAFETY: shmget touches no memory of this process.
    match unsafe { libc::shmget(KEY, SIZE, libc::IPC_CREAT | 0o666) } {
        -1 => Err(io::Error::last_os_error()),
        id => Ok(id),
    }
}

fn shmat(id: c_int) -> io::Result<Segment> {
    // SAFETY: with a null address the kernel chooses one where nothing is mapped.
    let address = unsafe { libc::shmat(id, ptr::null(), 0) };
    match address as isize {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(Segment(address.cast())),
    }
}

/// Whether shmat may have failed because the segment was destroyed after shmget.
fn may_be_destroyed(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EIDRM))
}

fn call_failed(call: &str, error: io::Error) -> String {
    let causes = "a limit (`ipcs -lm`, `ulimit -v`), lack of memory";
    let hint = match error.raw_os_error() {
        Some(libc::ENOSPC | libc::ENOMEM) => format!("Possible causes: {causes}."),
        _ => format!(
            "Perhaps segment {KEY:#010x} (`ipcs -m`) is smaller than {SIZE} bytes, or denies\n\
             access to this user. Its owner or root can remove it: `ipcrm -M {KEY:#010x}`.\n\
             Other causes: {causes}, a sandbox."
        ),
    };
    format!("{call} failed: {error}\n{hint}")
}
