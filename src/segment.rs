//! The shared memory segment: all of System V, and all `unsafe` that touches shared memory.

use std::ffi::{CStr, OsString};
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering, fence};

use libc::c_int;

use crate::turn::Turn;

const KEY: libc::key_t = 3148;
const SIZE: usize = 4096;

/// Words that are read before a NUL is looked for among them: a short string costs little, a long one few looks.
const BLOCK: usize = 64;
const WORD: usize = size_of::<usize>();

/// Times that the segment may be removed between two calls before that counts as a failure.
const MOST_REMOVALS: u32 = 10_000;

/// A text that fits the segment: at most [`Text::MAX_LENGTH`] bytes, and after them the NUL that ends it, so that there
/// always is a first byte.
pub struct Text(Vec<u8>);

impl Text {
    /// Length of the longest text, in bytes: the segment holds a NUL after it.
    pub const MAX_LENGTH: usize = SIZE - 1;
}

impl TryFrom<OsString> for Text {
    type Error = TooLong;

    fn try_from(text: OsString) -> Result<Text, TooLong> {
        let mut bytes = text.into_vec();
        if bytes.len() > Text::MAX_LENGTH {
            return Err(TooLong(bytes.len()));
        }
        bytes.push(0);
        Ok(Text(bytes))
    }
}

/// A text of so many bytes does not fit.
pub struct TooLong(usize);

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let TooLong(length) = self;
        let limit = Text::MAX_LENGTH;
        write!(
            f,
            "the text is {length} bytes long, the limit is {limit} bytes"
        )
    }
}

/// The segment, attached to this process. Dropping it detaches it (shmdt(2)) and, as fields are dropped after that, ends
/// the turn.
pub struct Segment {
    address: NonNull<u8>,
    _turn: Turn,
}

impl Segment {
    /// Gets the segment, creating it where it does not exist, and attaches it: shmget(2) and shmat(2). It takes the turn,
    /// so that no run attaches it without one.
    ///
    /// # Errors
    ///
    /// The failure of shmget or shmat.
    pub fn attach(turn: Turn) -> Result<Segment, AttachError> {
        let attach = || {
            let id = shmget(libc::IPC_CREAT | 0o666).map_err(AttachError::of_shmget)?;
            shmat(id).map_err(AttachError::Shmat)
        };
        let mut removals = 0;
        let address = loop {
            match attach() {
                Err(error) if error.may_be_a_removal() && removals < MOST_REMOVALS => removals += 1,
                result => break result?,
            }
        };
        Ok(Segment {
            address,
            _turn: turn,
        })
    }

    /// Stores the text and the NUL after it at the start of the segment, as strcpy(3) does.
    ///
    /// The string is emptied first and begun last, so that a run killed anywhere in between leaves the old text, the
    /// new one or an empty one, never a mix. The fence and the release keep the stores in this order.
    pub fn store(&self, text: &Text) {
        let bytes = self.bytes();
        bytes[0].store(0, Ordering::Relaxed);
        fence(Ordering::Release);
        for (byte, &value) in bytes[1..].iter().zip(&text.0[1..]) {
            byte.store(value, Ordering::Relaxed);
        }
        bytes[0].store(text.0[0], Ordering::Release);
    }

    /// The bytes before the first NUL, which puts(3) would print, or all [`SIZE`] bytes where there is none.
    ///
    /// It is read in words, which takes a third of the time that its bytes would.
    pub fn string(&self) -> Vec<u8> {
        let mut string = Vec::new();
        for block in self.words().chunks(BLOCK) {
            let mut copy = [[0; WORD]; BLOCK];
            for (copy, word) in copy.iter_mut().zip(block) {
                *copy = word.load(Ordering::Relaxed).to_ne_bytes();
            }
            let copy = copy.as_flattened();
            match CStr::from_bytes_until_nul(copy) {
                Ok(end) => {
                    string.extend_from_slice(end.to_bytes());
                    break;
                }
                Err(_) => string.extend_from_slice(copy),
            }
        }
        string
    }

    /// The segment as atomics, because other processes may write to it at any moment.
    fn bytes(&self) -> &[AtomicU8; SIZE] {
        // SAFETY: shmat attached a segment of at least SIZE bytes here, since shmget refuses a smaller one. It is
        // readable and writable, and stays attached as long as self exists.
        unsafe { self.address.cast().as_ref() }
    }

    /// The same as words.
    fn words(&self) -> &[AtomicUsize; SIZE / WORD] {
        // SAFETY: as for bytes, and shmat returns the address of a page, which is aligned for any word.
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
    // A failure is (void *) -1.
    match NonNull::new(address.cast()) {
        Some(address) if address.addr().get() != usize::MAX => Ok(address),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Which call failed, and the system's reason.
pub enum AttachError {
    Shmget(io::Error),
    /// shmget, because there is a segment of fewer than [`SIZE`] bytes.
    TooSmall(io::Error),
    Shmat(io::Error),
}

impl AttachError {
    /// EINVAL may mean that the segment is too small, or that the system's limits forbid one of this size. The limits
    /// matter only where shmget is to create it, so a second call without IPC_CREAT tells which.
    fn of_shmget(reason: io::Error) -> AttachError {
        let is_einval = |error: &io::Error| error.raw_os_error() == Some(libc::EINVAL);
        if is_einval(&reason) && shmget(0).is_err_and(|error| is_einval(&error)) {
            AttachError::TooSmall(reason)
        } else {
            AttachError::Shmget(reason)
        }
    }

    /// Whether a segment may have been removed between two calls. Limits on a segment's size look the same.
    fn may_be_a_removal(&self) -> bool {
        match self {
            AttachError::Shmget(reason) => reason.raw_os_error() == Some(libc::EINVAL),
            AttachError::TooSmall(_) => false,
            AttachError::Shmat(reason) => {
                matches!(reason.raw_os_error(), Some(libc::EINVAL | libc::EIDRM))
            }
        }
    }
}

/// The call, the system's reason, and where it is known what that means and what to do.
impl fmt::Display for AttachError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        use AttachError::{Shmat, Shmget, TooSmall};

        let (call, reason) = match self {
            Shmget(reason) | TooSmall(reason) => ("shmget", reason),
            Shmat(reason) => ("shmat", reason),
        };
        write!(f, "{call} failed: {reason}")?;
        match (self, reason.raw_os_error()) {
            (TooSmall(_), _) => write!(
                f,
                "\nThe segment with key {KEY} is smaller than {SIZE} bytes. {}",
                remedy()
            ),
            (Shmget(_), Some(libc::EINVAL)) => write!(
                f,
                "\nThe system's limits on a segment's size{} forbid {SIZE} bytes: change them.",
                on_linux(" (kernel.shmmax)")
            ),
            (_, Some(libc::EACCES)) => write!(
                f,
                "\nThis user may not read and write the segment with key {KEY}. {}",
                remedy()
            ),
            (_, Some(libc::EPERM | libc::ENOSYS)) => f.write_str(
                "\nThis system, or the sandbox or container that this runs in, does not allow System V shared memory.",
            ),
            (Shmget(_), Some(libc::ENOSPC)) => write!(
                f,
                "\nThe system's limit on segments{} or on shared memory as a whole{} is reached: remove segments that \
                 are no longer needed (`ipcs -m`, `ipcrm`) or raise the limit.",
                on_linux(" (kernel.shmmni)"),
                on_linux(" (kernel.shmall)")
            ),
            (Shmget(_), Some(libc::ENOMEM)) if cfg!(not(target_os = "linux")) => f.write_str(
                "\nThe system's limit on shared memory as a whole (shmall) is reached: remove segments that are no \
                 longer needed (`ipcs -m`, `ipcrm`) or raise the limit.",
            ),
            (Shmget(_), Some(libc::ENOMEM)) => write!(f, "\n{MORE_MEMORY}"),
            (Shmat(_), Some(libc::ENOMEM)) => write!(
                f,
                "\n{MORE_MEMORY} It may also be that the segment with key {KEY} is far larger than {SIZE} bytes. {}",
                remedy()
            ),
            (Shmat(_), _) if self.may_be_a_removal() => f.write_str(
                "\nThe segment was removed again and again before it could be attached: end the program that does so.",
            ),
            _ => Ok(()),
        }
    }
}

const MORE_MEMORY: &str =
    "There is not enough memory: end programs that use much of it, or raise this user's limits.";

/// What to do about a segment that is not as it should be.
fn remedy() -> String {
    format!(
        "`ipcs -m` shows it as {KEY:#010x}, with its owner and size. Its owner or the machine's root can \
         remove it with `ipcrm -M {KEY}`."
    )
}

/// Names that mean something on Linux alone.
fn on_linux(name: &str) -> &str {
    if cfg!(target_os = "linux") { name } else { "" }
}
