//! The segment as another program sees it: shmget(2), shmat(2), shmctl(2).

use std::io;
use std::mem;
use std::ptr;

use libc::c_int;

pub const SIZE: usize = 4096;
const KEY: libc::key_t = 3148;

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
        let bytes = self.attach(libc::SHM_RDONLY);
        let offsets = 0..self.status().shm_segsz;
        // SAFETY: the segment is attached at this address, with this size.
        let copy = offsets.map(|offset| unsafe { bytes.add(offset).read_volatile() });
        let copy = copy.collect();
        detach(bytes);
        copy
    }

    /// The bytes before the first NUL.
    pub fn string(&self) -> Vec<u8> {
        let bytes = self.bytes().into_iter();
        bytes.take_while(|&byte| byte != 0).collect()
    }

    pub fn write(&self, new: &[u8]) {
        assert!(new.len() <= self.status().shm_segsz);
        let bytes = self.attach(0);
        for (offset, &byte) in new.iter().enumerate() {
            // SAFETY: the segment is attached at this address, with this size or more.
            unsafe { bytes.add(offset).write_volatile(byte) };
        }
        detach(bytes);
    }

    fn attach(&self, flags: c_int) -> *mut u8 {
        // SAFETY: with a null address the kernel chooses one where nothing is mapped.
        let address = unsafe { libc::shmat(self.0, ptr::null(), flags) };
        let error = io::Error::last_os_error();
        assert_ne!(address.addr(), usize::MAX, "shmat(2) fails: {error}"); // (void *) -1
        address.cast()
    }

    pub fn remove(&self) -> io::Result<()> {
        self.control(libc::IPC_RMID, ptr::null_mut())
    }

    pub fn status(&self) -> libc::shmid_ds {
        // SAFETY: all of a shmid_ds are integers, which may be zero.
        let mut status = unsafe { mem::zeroed() };
        let told = self.control(libc::IPC_STAT, &mut status);
        told.expect("the segment's status can be read");
        status
    }

    fn control(&self, operation: c_int, status: *mut libc::shmid_ds) -> io::Result<()> {
        // SAFETY: status is valid, or null for an operation that needs none.
        match unsafe { libc::shmctl(self.0, operation, status) } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }

    /// Whether it is as shmcli makes it for this user, and in no use.
    pub fn can_be_put_back(&self) -> bool {
        // SAFETY: these calls touch no memory.
        let user = unsafe { (libc::geteuid(), libc::getegid()) };
        let status = self.status();
        let owner = status.shm_perm;
        (owner.uid, owner.gid) == user
            && (owner.cuid, owner.cgid) == user
            && (status.shm_segsz, owner.mode as c_int) == (SIZE, 0o666)
            && status.shm_nattch == 0
    }
}

fn detach(bytes: *mut u8) {
    // SAFETY: shmat returned this address, and nothing refers to it any more.
    unsafe { libc::shmdt(bytes.cast()) };
}
