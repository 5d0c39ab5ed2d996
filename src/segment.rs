//! The shared memory segment: all of System V, and all `unsafe` that touches memory.

use std::ffi::CString;
use std::fmt;
use std::io;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU8, Ordering, fence};

use libc::c_int;

use crate::turn::Turn;

const KEY: libc::key_t = 3148;
const SIZE: usize = 4096;

/// Times that the segment may be removed between shmget and shmat before that counts as a failure.
const MOST_REMOVALS: u32 = 10_000;

/// A text that fits the segment: at most [`Text::MAX_LENGTH`] bytes, none of them NUL.
pub struct Text(CString);

impl Text {
    /// Length of the longest text, in bytes: the segment holds a NUL after it.
    pub const MAX_LENGTH: usize = SIZE - 1;
}

impl TryFrom<&[u8]> for Text {
    type Error = TextError;

    fn try_from(text: &[u8]) -> Result<Text, TextError> {
        if text.len() > Text::MAX_LENGTH {
            return Err(TextError::TooLong(text.len()));
        }
        CString::new(text)
            .map(Text)
            .map_err(|_| TextError::HoldsNul)
    }
}

/// Why something is no [`Text`].
pub enum TextError {
    /// It has this many bytes.
    TooLong(usize),
    HoldsNul,
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            TextError::TooLong(length) => write!(
                f,
                "the text is {length} bytes long, the limit is {} bytes",
                Text::MAX_LENGTH
            ),
            TextError::HoldsNul => f.write_str("the text holds a NUL byte"),
        }
    }
}

/// The segment, attached to this process until it is dropped. Then the turn ends too.
pub struct Segment {
    address: NonNull<u8>,
    _turn: Turn,
}

impl Segment {
    /// Gets the segment, creating it where it does not exist, and attaches it: shmget(2) and shmat(2). Only a run whose
    /// turn it is can do so.
    ///
    /// # Errors
    ///
    /// The failure of shmget or shmat.
    pub fn attach(turn: Turn) -> Result<Segment, AttachError> {
        let mut removals = 0;
        let address = loop {
            let id = shmget(libc::IPC_CREAT | 0o666).map_err(AttachError::of("shmget"))?;
            match shmat(id) {
                Err(reason) if means_removed(&reason) && removals < MOST_REMOVALS => removals += 1,
                result => break result.map_err(AttachError::of("shmat"))?,
            }
        };
        Ok(Segment {
            address,
            _turn: turn,
        })
    }

    /// Stores the text and a NUL at the start of the segment.
    ///
    /// The string is emptied first and begun last, so that a run killed anywhere in between leaves the old text, the
    /// new one or an empty one, never a mix. The fence and the release keep the stores in this order.
    pub fn store(&self, text: &Text) {
        let text = text.0.as_bytes_with_nul();
        let bytes = self.bytes();
        bytes[0].store(0, Ordering::Relaxed);
        fence(Ordering::Release);
        for (byte, &value) in bytes.iter().zip(text).skip(1) {
            byte.store(value, Ordering::Relaxed);
        }
        bytes[0].store(text[0], Ordering::Release);
    }

    /// The bytes before the first NUL, or all [`SIZE`] bytes where there is none.
    pub fn string(&self) -> impl Iterator<Item = u8> {
        let bytes = self.bytes().iter();
        bytes
            .map(|byte| byte.load(Ordering::Relaxed))
            .take_while(|&byte| byte != 0)
    }

    /// The segment as atomics, because other processes may write to it at any moment.
    fn bytes(&self) -> &[AtomicU8; SIZE] {
        // SAFETY: shmat attached a segment of at least SIZE bytes here, since shmget refuses a smaller one. It is
        // readable and writable, and stays attached as long as self exists.
        unsafe { self.address.cast().as_ref() }
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: this is the address that shmat returned, and no reference into the segment outlives self.
        // An error could only mean that it is not attached, and leaves nothing to do.
        unsafe { libc::shmdt(self.address.as_ptr().cast()) };
    }
}

/// Returns the identifier of a segment of at least [`SIZE`] bytes.
fn shmget(flags: c_int) -> io::Result<c_int> {
    // SAFETY: shmget touches no memory of this process.
    match unsafe { libc::shmget(KEY, SIZE, flags) } {
        -1 => Err(io::Error::last_os_error()),
        id => Ok(id),
    }
}

/// Returns the address at which the segment is attached.
fn shmat(id: c_int) -> io::Result<NonNull<u8>> {
    // SAFETY: with a null address the kernel chooses one where nothing is mapped.
    let address = unsafe { libc::shmat(id, ptr::null(), 0) };
    match NonNull::new(address.cast()) {
        Some(address) if address.addr().get() != usize::MAX => Ok(address),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Whether shmat failed because the segment was removed after shmget.
fn means_removed(reason: &io::Error) -> bool {
    matches!(reason.raw_os_error(), Some(libc::EINVAL | libc::EIDRM))
}

/// A failure of shmget(2) or shmat(2).
pub struct AttachError {
    call: &'static str,
    reason: io::Error,
}

impl AttachError {
    fn of(call: &'static str) -> impl Fn(io::Error) -> AttachError {
        move |reason| AttachError { call, reason }
    }
}

/// The call, the system's reason, and where it is known what that means and what to do.
impl fmt::Display for AttachError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let AttachError { call, reason } = self;
        write!(f, "{call} failed: {reason}")?;
        match (*call, reason.raw_os_error()) {
            (_, Some(libc::EACCES)) => write!(
                f,
                "\nA segment with key {KEY} belongs to someone who does not let this user read and write it. \
                 `ipcs -m` shows its owner, who can remove it with `ipcrm -M {KEY}`."
            ),
            ("shmget", Some(libc::EINVAL)) => write!(
                f,
                "\nEither a segment with key {KEY} exists and is smaller than {SIZE} bytes (`ipcrm -M {KEY}` removes \
                 it), or the system's limits on a segment's size forbid {SIZE}{}.",
                on_linux(" (kernel.shmmax)")
            ),
            (_, Some(libc::ENOSPC)) => write!(
                f,
                "\nThe system's limit on segments{} or on shared memory as a whole{} is reached: remove segments that \
                 are no longer needed (`ipcs -m`, `ipcrm`) or raise the limit.",
                on_linux(" (kernel.shmmni)"),
                on_linux(" (kernel.shmall)")
            ),
            (_, Some(libc::ENOMEM)) => {
                f.write_str("\nThere is not enough memory: end programs that use much of it, or raise this user's limits.")
            }
            _ => Ok(()),
        }
    }
}

/// Names that mean something on Linux alone.
fn on_linux(name: &str) -> &str {
    if cfg!(target_os = "linux") { name } else { "" }
}
