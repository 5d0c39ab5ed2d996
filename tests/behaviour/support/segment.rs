//! The segment as another program sees it: shmget(2), shmat(2), shmctl(2).

use std::io;
use std::mem;
use std::ptr;

use libc::c_int;

pub const SIZE: usize = 4096;
const KEY: libc::key_t = 3148;

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
        self.read().expect("the segment cannot be read")
    }

    /// The bytes before the first NUL.
    pub fn string(&self) -> Vec<u8> {
        let bytes = self.bytes().into_iter();
        bytes.take_while(|&byte| byte != 0).collect()
    }

    pub fn read(&self) -> io::Result<Vec<u8>> {
        let start = self.attach(libc::SHM_RDONLY)?;
        let addresses = (0..self.status().shm_segsz).map(|index| start.wrapping_add(index));
        // SAFETY: the segment is attached here with this size.
        let bytes = addresses.map(|address| unsafe { address.read_volatile() });
        let bytes = bytes.collect();
        detach(start);
        Ok(bytes)
    }

    pub fn write(&self, bytes: &[u8]) {
        assert!(bytes.len() <= self.status().shm_segsz);
        let start = self.attach(0).expect("the segment cannot be written");
        for (index, &byte) in bytes.iter().enumerate() {
            // SAFETY: the segment is attached here with this size.
            unsafe { start.add(index).write_volatile(byte) };
        }
        detach(start);
    }

    fn attach(&self, flags: c_int) -> io::Result<*mut u8> {
        // SAFETY: with a null address the kernel chooses one where nothing is mapped.
        let address = unsafe { libc::shmat(self.0, ptr::null(), flags) };
        match address.addr() {
            usize::MAX => Err(io::Error::last_os_error()),
            _ => Ok(address.cast()),
        }
    }

    pub fn remove(&self) -> io::Result<()> {
        self.control(libc::IPC_RMID, ptr::null_mut())
    }

    pub fn status(&self) -> libc::shmid_ds {
        // SAFETY: all of a shmid_ds are integers, which may be zero.
        let mut status = unsafe { mem::zeroed() };
        let told = self.control(libc::IPC_STAT, &mut status);
        told.expect("the segment's status cannot be read");
        status
    }

    /// Sets its user, group and mode.
    pub fn set(&self, mut status: libc::shmid_ds) -> io::Result<()> {
        self.control(libc::IPC_SET, &mut status)
    }

    fn control(&self, operation: c_int, status: *mut libc::shmid_ds) -> io::Result<()> {
        // SAFETY: status is valid, or null for an operation that needs none.
        match unsafe { libc::shmctl(self.0, operation, status) } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }
}

fn detach(start: *mut u8) {
    // SAFETY: shmat returned this address, and nothing refers to it any more.
    unsafe { libc::shmdt(start.cast()) };
}
