//! The segment as another program sees it.

use std::io;
use std::mem;
use std::ptr;

use libc::c_int;

pub const SIZE: usize = 4096;
const KEY: libc::key_t = 3148;

pub struct Segment(c_int);

impl Segment {
    /// Creates the segment, which must not exist yet.
    pub fn create(size: usize, mode: c_int) -> Segment {
        Segment::get(size, libc::IPC_CREAT | libc::IPC_EXCL | mode)
            .expect("there is no segment yet")
    }

    /// Finds a segment of at least this size, or creates it.
    pub fn find_or_create(size: usize) -> Option<Segment> {
        Segment::get(size, libc::IPC_CREAT | 0o666)
    }

    pub fn find() -> Option<Segment> {
        Segment::get(0, 0)
    }

    /// The segment that shmcli must have made.
    #[track_caller]
    pub fn existing() -> Segment {
        Segment::find().expect("there is a segment")
    }

    fn get(size: usize, flags: c_int) -> Option<Segment> {
        // SAFETY: shmget touches no memory of this process.
        let id = unsafe { libc::shmget(KEY, size, flags) };
        (id != -1).then_some(Segment(id))
    }

    /// Creates the segment with this at its start and `z` in all that follows.
    pub fn holding(start: &[u8]) -> Segment {
        let segment = Segment::create(SIZE, 0o666);
        segment.attach().write(&[b'z'; SIZE]);
        segment.attach().write(start);
        segment
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.attach().bytes()
    }

    /// The bytes before the first NUL.
    pub fn string(&self) -> Vec<u8> {
        self.attach().string()
    }

    pub fn attach(&self) -> Attached {
        self.attach_with(0).expect("the segment can be attached")
    }

    pub fn attach_to_read(&self) -> io::Result<Attached> {
        self.attach_with(libc::SHM_RDONLY)
    }

    fn attach_with(&self, flags: c_int) -> io::Result<Attached> {
        let size = self.status()?.shm_segsz;
        // SAFETY: with a null address the kernel chooses one where nothing is mapped.
        let address = unsafe { libc::shmat(self.0, ptr::null(), flags) };
        if address.addr() == usize::MAX {
            return Err(io::Error::last_os_error());
        }
        let address = address.cast();
        Ok(Attached { address, size })
    }

    pub fn size(&self) -> usize {
        self.known_status().shm_segsz
    }

    pub fn mode(&self) -> u32 {
        // The type differs between systems.
        self.known_status().shm_perm.mode as u32 & 0o777
    }

    /// How many processes have it attached.
    pub fn attached(&self) -> usize {
        self.known_status().shm_nattch as usize
    }

    /// Whether it has the owner and the creator that it would have if this process made it.
    pub fn is_mine(&self) -> io::Result<bool> {
        let owner = self.status()?.shm_perm;
        // SAFETY: these touch no memory and cannot fail.
        let (user, group) = unsafe { (libc::geteuid(), libc::getegid()) };
        Ok([owner.uid, owner.cuid] == [user; 2] && [owner.gid, owner.cgid] == [group; 2])
    }

    pub fn set_mode(&self, mode: u32) {
        let mut status = self.known_status();
        status.shm_perm.mode = mode as _;
        self.control(libc::IPC_SET, &mut status)
            .expect("its owner sets its mode");
    }

    /// Removes it, if that has not been done before.
    pub fn remove(&self) {
        let _ = self.control(libc::IPC_RMID, ptr::null_mut());
    }

    fn known_status(&self) -> libc::shmid_ds {
        self.status().expect("the segment exists")
    }

    fn status(&self) -> io::Result<libc::shmid_ds> {
        // SAFETY: all of a shmid_ds are integers, which may be zero.
        let mut status = unsafe { mem::zeroed() };
        self.control(libc::IPC_STAT, &mut status)?;
        Ok(status)
    }

    fn control(&self, operation: c_int, status: *mut libc::shmid_ds) -> io::Result<()> {
        // SAFETY: status is valid for all operations used here, or null where none is needed.
        match unsafe { libc::shmctl(self.0, operation, status) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// The segment, attached until this is dropped.
pub struct Attached {
    address: *mut u8,
    size: usize,
}

impl Attached {
    pub fn bytes(&self) -> Vec<u8> {
        (0..self.size).map(|index| self.byte(index)).collect()
    }

    pub fn string(&self) -> Vec<u8> {
        (0..self.size)
            .map(|index| self.byte(index))
            .take_while(|&byte| byte != 0)
            .collect()
    }

    fn byte(&self, index: usize) -> u8 {
        assert!(index < self.size);
        // SAFETY: the segment is attached here with this size.
        unsafe { self.address.add(index).read_volatile() }
    }

    pub fn write(&self, bytes: &[u8]) {
        assert!(bytes.len() <= self.size);
        for (index, &byte) in bytes.iter().enumerate() {
            // SAFETY: the segment is attached here with this size.
            unsafe { self.address.add(index).write_volatile(byte) };
        }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        // SAFETY: this is the address that shmat returned, and nothing refers to it any more.
        unsafe { libc::shmdt(self.address.cast()) };
    }
}
