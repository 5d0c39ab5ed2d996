//! Tests in place, in the IPC namespace of the user. A segment that is there is kept in a file while a test uses its
//! key. A guard puts it back if the tests are killed, and the next run of the tests does if the guard is killed too.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::mem;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{self, Stdio};
use std::sync::{Mutex, OnceLock};

use super::lock::{Lock, NAMESPACE};
use super::place::{GUARD, namespace, show, this_test};
use super::segment::Segment;

/// Locked by all processes of a run of the tests. Runs that could meet share it, and no other program locks it.
const TURN: &str = "/proc/self/ns/user";

/// Runs a test alone, while the segment is kept.
pub fn run<T>(test: impl FnOnce() -> T) -> T {
    static READY: OnceLock<()> = OnceLock::new();
    static ONE_TEST: Mutex<()> = Mutex::new(());

    READY.get_or_init(|| get_ready().unwrap_or_else(refuse));
    let _others_wait = ONE_TEST.lock();
    let runs_wait = Lock::take(NAMESPACE, libc::LOCK_EX).unwrap_or_else(refuse);
    put_back().unwrap_or_else(refuse);
    move_to(file("kept")).unwrap_or_else(refuse);
    drop(runs_wait);
    let result = test();
    let _runs_wait = Lock::take(NAMESPACE, libc::LOCK_EX).unwrap_or_else(refuse);
    let removed = Segment::find().map_or(Ok(()), |segment| segment.remove());
    removed.and_then(|()| put_back()).unwrap_or_else(refuse);
    result
}

fn get_ready() -> io::Result<()> {
    show("The tests run in place (unshare(1) fails), after others, once the lock is free.\n");
    let mut guard = this_test("env", GUARD);
    guard.stdout(Stdio::null()).stderr(Stdio::null());
    // Its standard input ends with this process.
    mem::forget(guard.stdin(Stdio::piped()).process_group(0).spawn()?);
    Lock::take(TURN, libc::LOCK_EX).map(Lock::keep_in_children)
}

/// Waits for the end of the tests, and of all that they have started.
pub fn guard() {
    let _ = io::stdin().read_to_end(&mut Vec::new());
    let _locks = [TURN, NAMESPACE].map(|file| Lock::take(file, libc::LOCK_EX));
    put_back().expect("the segment can be put back");
}

fn refuse<T>(reason: io::Error) -> T {
    show(&format!(
        "The tests cannot run: unshare(1) can make no IPC namespace for them, and the segment with key 3148 cannot \
         be kept in {:?} or put back from it: {reason}. If you do not need it, remove both (`ipcrm -M 3148`).\n",
        file("kept")
    ));
    process::exit(1)
}

fn file(what: &str) -> PathBuf {
    format!("{}/{}.{what}", env!("CARGO_TARGET_TMPDIR"), namespace()).into()
}

/// Moves the segment, if there is one, into this file, and tells whether it did. At any moment, one of them is whole.
fn move_to(file: PathBuf) -> io::Result<bool> {
    let Some(segment) = Segment::find() else {
        return Ok(false);
    };
    let bytes = segment.read()?;
    let status = segment.status();
    if status.shm_nattch > 0 {
        return Err(io::Error::other("another program has attached it"));
    }
    let old = status.shm_perm;
    let header = format!("{} {} {}\n", old.uid, old.gid, old.mode).into_bytes();
    let unfinished = file.with_extension("unfinished");
    let mut new = File::create(&unfinished)?;
    new.set_permissions(Permissions::from_mode(0o600))?;
    new.write_all(&[header, bytes].concat())?;
    fs::rename(unfinished, &file)?;
    let removed = segment.remove();
    removed.inspect_err(|_| drop(fs::remove_file(file)))?;
    Ok(true)
}

/// Moves the kept segment, if there is one, back from its file.
fn put_back() -> io::Result<()> {
    let kept = match fs::read(file("kept")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        kept => kept?,
    };
    let end = kept.iter().position(|&byte| byte == b'\n').unwrap_or(0);
    let header = String::from_utf8_lossy(&kept[..end]);
    let numbers: Vec<u32> = header.split(' ').flat_map(str::parse).collect();
    let [uid, gid, mode] = numbers[..] else {
        return Err(io::Error::other("the file is damaged"));
    };
    if move_to(file("replaced"))? {
        show("The kept segment is back. What was in its place is in the target folder's tmp.\n");
    }
    let segment = Segment::create(kept[end + 1..].len(), 0o600);
    segment.write(&kept[end + 1..]);
    let mut status = segment.status();
    let new = &mut status.shm_perm;
    (new.uid, new.gid, new.mode) = (uid, gid, mode as _);
    segment.set(status)?;
    fs::remove_file(file("kept"))
}
