//! Tests in the user's IPC namespace, where no other can be had. They run one after the other. The user's string, if
//! there is one, waits in a file. If the tests are killed, the file stays. The next `cargo test` with this target
//! folder puts the string back, or if there is a segment, which may be newer, refuses to start.

use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::{fs, io, process};

use libc::LOCK_EX;

use super::*;

/// Locked by the test that runs, so that all others wait, also those of other users and checkouts.
const TURN: &str = "/proc/self/ns/user";

/// Locked by the test and by all that it has started. When it is free again, none of them is left that could change the
/// user's string.
const STARTED: &str = "/proc/self/ns/mnt";

/// Runs a test alone, with the user's string put aside before and put back after.
pub fn in_place<T>(test: impl FnOnce() -> T) -> T {
    // A kernel may have no user namespaces.
    let turn = lock(TURN, LOCK_EX).or_else(|_| lock("/proc", LOCK_EX));
    let _others_wait = turn.expect("there is a /proc");
    let started = lock(STARTED, LOCK_EX).expect("there is a mount namespace");
    // SAFETY: fcntl with this command touches no memory. It lets children inherit the lock.
    done(unsafe { libc::fcntl(started.as_raw_fd(), libc::F_SETFD, 0) }).expect("it is open");
    put_aside().unwrap_or_else(refuse);
    let result = test();
    drop(started);
    let _none_is_left = lock(STARTED, LOCK_EX);
    put_back().unwrap_or_else(refuse);
    result
}

/// Moves the segment, if there is one, into the file. At any moment, one of them is whole.
fn put_aside() -> io::Result<()> {
    let _runs_wait = lock(NAMESPACE, LOCK_EX)?;
    let Some(segment) = Segment::find() else {
        return Ok(()); // if a file is left of killed tests, put_back moves it back
    };
    let file = string_file();
    if file.exists() {
        return Err(io::Error::other("the file is left of killed tests"));
    }
    if !is_made_by_shmcli(&segment.status()?) {
        return Err(io::Error::other("the segment is in use, or not shmcli's"));
    }
    let unfinished = file.with_extension("unfinished");
    fs::write(&unfinished, segment.bytes())?;
    fs::rename(&unfinished, &file)?;
    segment.remove().inspect_err(|_| _ = fs::remove_file(file))
}

/// Whether this segment is as shmcli makes it for this user, and in no use.
fn is_made_by_shmcli(status: &libc::shmid_ds) -> bool {
    // SAFETY: these calls touch no memory.
    let (user, group) = unsafe { (libc::geteuid(), libc::getegid()) };
    let owner = status.shm_perm;
    (owner.uid, owner.gid, owner.cuid, owner.cgid) == (user, group, user, group)
        && (owner.mode as u32, status.shm_segsz, status.shm_nattch) == (0o666, SIZE, 0)
}

/// Removes the test's segment, and moves the user's, if there was one, back from the file.
fn put_back() -> io::Result<()> {
    let _runs_wait = lock(NAMESPACE, LOCK_EX)?;
    if let Some(segment) = Segment::find() {
        segment.remove()?;
    }
    let file = string_file();
    if file.exists() {
        let bytes = fs::read(&file)?;
        Segment::create(SIZE, 0o666).write(&bytes);
        fs::remove_file(file)?;
    }
    Ok(())
}

/// The file for this namespace, in the target's temporary folder.
pub fn string_file() -> PathBuf {
    let namespace = fs::read_link(NAMESPACE).unwrap_or_default();
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("string of {}", namespace.display()))
}

fn refuse(why: io::Error) {
    show(&format!(
        "The tests cannot run: the segment with key 3148 cannot be moved to the file {:?} and back: {why}. Remove what \
         you do not need: the segment (`ipcrm -M 3148`) or the file.",
        string_file()
    ));
    process::exit(1)
}
