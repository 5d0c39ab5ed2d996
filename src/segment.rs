//! The shared memory segment: all of System V, and all `unsafe` that touches memory.

use std::ffi::CString;
use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU8, Ordering, fence};
use std::thread;
use std::time::Duration;

use libc::c_int;

const KEY: libc::key_t = 3148;
const SIZE: usize = 4096;

/// Attempts to have the segment alone before a run goes ahead regardless. They are counted, not timed: a run that
/// merely waits for a processor must not use them up.
const ATTEMPTS: u32 = 250;
const FIRST_PAUSE: Duration = Duration::from_micros(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(1);

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

/// The segment, attached to this process until it is dropped.
pub struct Segment(NonNull<[AtomicU8; SIZE]>);

impl Segment {
    /// Gets the segment, creating it where it does not exist, and attaches it when no other process has it attached.
    /// So one run at a time acts on it, with the kernel's count of attached processes (`shm_nattch`) as the interlock:
    /// whoever is alone after attaching stays alone, since all that come later see it. The kernel takes a dead process
    /// off the count, so no crash leaves the segment taken.
    ///
    /// Waits about a quarter of a second at most. If the segment is still taken then, by another program or a stopped
    /// run, it is attached all the same.
    ///
    /// # Errors
    ///
    /// The failure of shmget(2) or shmat(2).
    pub fn attach() -> Result<Segment, AttachError> {
        let mut pause = FIRST_PAUSE;
        for _ in 0..ATTEMPTS {
            if let Some(segment) = with_id(Segment::attach_alone)? {
                return Ok(segment);
            }
            thread::sleep(pause);
            pause = LONGEST_PAUSE.min(pause + FIRST_PAUSE);
        }
        with_id(Segment::attach_id)
    }

    /// Returns `None` where another process has the segment.
    fn attach_alone(id: c_int) -> Result<Option<Segment>, AttachError> {
        // Attaching only where nobody is seen keeps those that wait from disturbing each other.
        if status(id).is_some_and(|status| status.shm_nattch > 0) {
            return Ok(None);
        }
        let segment = Segment::attach_id(id)?;
        let alone = status(id).is_some_and(|status| status.shm_nattch == 1);
        Ok(alone.then_some(segment))
    }

    fn attach_id(id: c_int) -> Result<Segment, AttachError> {
        // SAFETY: with a null address the kernel chooses one where nothing is mapped.
        let address = unsafe { libc::shmat(id, ptr::null(), 0) };
        match NonNull::new(address) {
            Some(bytes) if address.addr() != usize::MAX => Ok(Segment(bytes.cast())),
            _ => Err(AttachError::last("shmat")),
        }
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
        unsafe { self.0.as_ref() }
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: this is the address that shmat returned, and no reference into the segment outlives self.
        // An error could only mean that it is not attached, and leaves nothing to do.
        unsafe { libc::shmdt(self.0.as_ptr().cast()) };
    }
}

/// Gets the identifier of the segment and attaches with it, again with that of a new segment where someone removes it
/// in between.
fn with_id<T>(attach: impl Fn(c_int) -> Result<T, AttachError>) -> Result<T, AttachError> {
    let mut removals = 0;
    loop {
        match attach(get()?) {
            Err(error) if error.means_removed() && removals < MOST_REMOVALS => removals += 1,
            result => return result,
        }
    }
}

/// Gets the identifier of the segment, creating it for everyone to read and write where it does not exist.
fn get() -> Result<c_int, AttachError> {
    // SAFETY: shmget touches no memory of this process.
    match unsafe { libc::shmget(KEY, SIZE, libc::IPC_CREAT | 0o666) } {
        -1 => Err(AttachError::last("shmget")),
        id => Ok(id),
    }
}

/// What the system tells of a segment, or `None` where it does not.
fn status(id: c_int) -> Option<libc::shmid_ds> {
    let mut status = MaybeUninit::<libc::shmid_ds>::uninit();
    // SAFETY: IPC_STAT writes one shmid_ds to this address, which has room for it.
    if unsafe { libc::shmctl(id, libc::IPC_STAT, status.as_mut_ptr()) } == -1 {
        return None;
    }
    // SAFETY: shmctl succeeded, so it has filled in the status.
    Some(unsafe { status.assume_init() })
}

/// A failure of shmget(2) or shmat(2).
pub struct AttachError {
    call: &'static str,
    reason: io::Error,
}

impl AttachError {
    fn last(call: &'static str) -> AttachError {
        let reason = io::Error::last_os_error();
        AttachError { call, reason }
    }

    /// Whether shmat failed because the segment was removed after shmget.
    fn means_removed(&self) -> bool {
        matches!(self.reason.raw_os_error(), Some(libc::EINVAL | libc::EIDRM))
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
