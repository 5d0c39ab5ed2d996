//! Tests in place, in the IPC namespace of the user. A segment that is there is kept in a file while a test uses its
//! key. A guard puts it back if the tests are killed, and the next run of the tests does if the guard is killed too.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::mem;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{self, Stdio};
use std::sync::{Mutex, OnceLock};

use super::lock::{Lock, NAMESPACE};
use super::place::{GUARD, namespace, show, this_test};
use super::segment::Segment;

/// Locked by all processes of a run of the tests. Runs that could meet share it, and no other program locks it.
const TURN: &str = "/proc/self/ns/uts";

/// Runs a test alone, while the segment is kept.
pub fn run<T>(test: impl FnOnce() -> T) -> T {
    static READY: OnceLock<()> = OnceLock::new();
    static ONE_TEST: Mutex<()> = Mutex::new(());

    READY.get_or_init(|| get_ready().unwrap_or_else(refuse));
    let _others_wait = ONE_TEST.lock();
    keep(file("kept")).unwrap_or_else(refuse);
    let result = test();
    if let Some(segment) = Segment::find() {
        segment.remove().expect("a test's segment can be removed");
    }
    put_back().expect("the segment can be put back");
    result
}

fn get_ready() -> io::Result<()> {
    show("Since unshare(1) can make no IPC namespace, the tests run in place, after any others.\n");
    let mut guard = this_test("env", GUARD);
    guard.stdout(Stdio::null()).stderr(Stdio::null());
    // Its standard input ends with this process.
    mem::forget(guard.stdin(Stdio::piped()).process_group(0).spawn()?);
    Lock::take(TURN, libc::LOCK_EX)?.keep_in_children();
    put_back()
}

/// Waits for the end of the tests, and of all that they have started.
pub fn guard() {
    let _ = io::stdin().read_to_end(&mut Vec::new());
    let _turn = Lock::take(TURN, libc::LOCK_EX);
    put_back().expect("the segment can be put back");
}

fn refuse<T>(reason: io::Error) -> T {
    show(&format!(
        "The tests cannot run: unshare(1) can make no IPC namespace for them, and the segment with key 3148 cannot \
         be kept in {:?}: {reason}. If you do not need it, remove it (`ipcrm -M 3148`).\n",
        file("kept")
    ));
    process::exit(1)
}

fn file(what: &str) -> PathBuf {
    format!("{}/{}.{what}", env!("CARGO_TARGET_TMPDIR"), namespace()).into()
}

/// Moves the segment, if there is one, into this file. At any moment, one of the two is whole.
fn keep(file: PathBuf) -> io::Result<bool> {
    let _runs_wait = Lock::take(NAMESPACE, libc::LOCK_EX)?;
    let Some(segment) = Segment::find() else {
        return Ok(false);
    };
    let bytes = segment.read()?;
    if segment.status().shm_nattch > 0 {
        return Err(io::Error::other("another program has attached it"));
    }
    let old = segment.status().shm_perm;
    let header = format!("{} {} {}\n", old.uid, old.gid, old.mode).into_bytes();
    let unfinished = file.with_extension("unfinished");
    let mut options = File::options();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    options
        .open(&unfinished)?
        .write_all(&[header, bytes].concat())?;
    fs::rename(unfinished, &file)?;
    segment
        .remove()
        .inspect_err(|_| drop(fs::remove_file(file)))?;
    Ok(true)
}

/// Moves the kept segment, if there is one, back from its file.
fn put_back() -> io::Result<()> {
    let kept = match fs::read(file("kept")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        kept => kept?,
    };
    if keep(file("replaced"))? {
        let replaced = file("replaced");
        show(&format!(
            "Killed tests kept a segment. It is back, and what was there is in {replaced:?}.\n"
        ));
    }
    let _runs_wait = Lock::take(NAMESPACE, libc::LOCK_EX)?;
    let end = kept.iter().take_while(|&&byte| byte != b'\n').count();
    let header = String::from_utf8_lossy(&kept[..end]);
    let numbers: Vec<u32> = header.split(' ').flat_map(str::parse).collect();
    let segment = Segment::create(kept[end + 1..].len(), 0o600);
    segment.write(&kept[end + 1..]);
    let mut status = segment.status();
    let new = &mut status.shm_perm;
    (new.uid, new.gid, new.mode) = (numbers[0], numbers[1], numbers[2] as _);
    segment.set(status)?;
    fs::remove_file(file("kept"))
}
