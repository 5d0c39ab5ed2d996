//! The system calls that the rules speak of, by their names in the manual pages.

use libc::c_long;

const CALLS: &[(c_long, &str)] = &[
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_open, "open"),
    (libc::SYS_openat, "open"),
    (libc::SYS_flock, "flock"),
    (libc::SYS_nanosleep, "sleep"),
    (libc::SYS_clock_nanosleep, "sleep"),
    (libc::SYS_write, "write"),
    (SHMGET, "shmget"),
    (SHMAT, "shmat"),
    (SHMCTL, "shmctl"),
    (SHMDT, "shmdt"),
    (SEMGET, "semget"),
    (MSGGET, "msgget"),
];

#[cfg(not(target_arch = "x86"))]
use libc::{
    SYS_msgget as MSGGET, SYS_semget as SEMGET, SYS_shmat as SHMAT, SYS_shmctl as SHMCTL,
    SYS_shmdt as SHMDT, SYS_shmget as SHMGET,
};

// libc does not name these numbers there.
#[cfg(target_arch = "x86")]
const SEMGET: c_long = 393;
#[cfg(target_arch = "x86")]
const SHMGET: c_long = 395;
#[cfg(target_arch = "x86")]
const SHMCTL: c_long = 396;
#[cfg(target_arch = "x86")]
const SHMAT: c_long = 397;
#[cfg(target_arch = "x86")]
const SHMDT: c_long = 398;
#[cfg(target_arch = "x86")]
const MSGGET: c_long = 399;

/// The calls that go through ipc(2) on old systems, by its first argument.
#[cfg(target_arch = "x86")]
const THROUGH_IPC: &[(u64, &str)] = &[
    (2, "semget"),
    (13, "msgget"),
    (21, "shmat"),
    (22, "shmdt"),
    (23, "shmget"),
    (24, "shmctl"),
];

/// The name of the call with this number and first argument, if a rule speaks of it.
pub fn name(number: u64, first: u64) -> Option<&'static str> {
    #[cfg(target_arch = "x86")]
    if number == libc::SYS_ipc as u64 {
        let through_ipc = THROUGH_IPC.iter().find(|call| call.0 == first & 0xffff);
        return through_ipc.map(|call| call.1);
    }
    let _ = first;
    let known = CALLS.iter().find(|call| call.0 as u64 == number);
    known.map(|call| call.1)
}

/// The numbers by which a call may be made.
pub const FOR_FLOCK: &[c_long] = &[libc::SYS_flock];
pub const FOR_OPEN: &[c_long] = &[
    libc::SYS_openat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
];
pub const FOR_SHMGET: &[c_long] = &[
    SHMGET,
    #[cfg(target_arch = "x86")]
    libc::SYS_ipc,
];
