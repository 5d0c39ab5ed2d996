//! Gives each test an IPC namespace of its own, so that it meets no other test, and not the user's segment.

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::{fs, panic, thread};

use libc::c_int;

use super::*;

/// What the C library calls before `main`, which starts threads: a process with threads cannot change its user
/// namespace.
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = leave_namespace;

/// Leaves the user's IPC namespace, if need be as root of a new user namespace, where each test may have its own. Where
/// that is refused, too, the tests run in place.
extern "C" fn leave_namespace() {
    if string_file().exists() {
        in_place(|| ()); // puts back what killed tests have left
    }
    if unshare(libc::CLONE_NEWIPC).is_ok() {
        return;
    }
    // First tried in a child: a process that enters a user namespace and cannot map its user has no way back.
    let mut child = program("true");
    // SAFETY: this process has one thread, so none can hold the allocator's lock at the fork: the child may allocate.
    unsafe { child.pre_exec(become_root) };
    if child.status().is_err() || become_root().is_err() {
        show("The tests run in place: until they end, use shmcli nowhere, nor test it elsewhere.");
    }
}

/// Becomes root of a user namespace, and leaves the IPC namespace: see user_namespaces(7).
fn become_root() -> io::Result<()> {
    // SAFETY: these calls touch no memory.
    let (user, group) = unsafe { (libc::geteuid(), libc::getegid()) };
    unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWIPC)?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {user} 1"))?;
    fs::write("/proc/self/gid_map", format!("0 {group} 1"))
}

fn unshare(namespaces: c_int) -> io::Result<()> {
    // SAFETY: unshare touches no memory.
    done(unsafe { libc::unshare(namespaces) })
}

/// The error of a system call that answers -1.
pub fn done(answer: c_int) -> io::Result<()> {
    match answer {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Runs a test's body where there is no segment. An IPC namespace belongs to a thread and to all that it starts, and
/// the test harness gives each test a thread of its own.
pub fn isolated(test: impl FnOnce() + Send) {
    // In one more thread: its end resumes runs that a failed test left stopped, so that `in_place` can wait for them.
    let body = || thread::scope(|scope| scope.spawn(test).join());
    let result = match unshare(libc::CLONE_NEWIPC) {
        Ok(()) => body(),
        Err(_) => in_place(body),
    };
    let Err(cause) = result else { return };
    match cause.downcast::<Skip>() {
        Ok(skip) => {
            let test = thread::current();
            let name = test.name().unwrap_or_default();
            show(&format!("skipped: {name}: {}", skip.0.trim()));
        }
        Err(cause) => panic::resume_unwind(cause),
    }
}

/// What a test unwinds with if it is skipped: the reason.
struct Skip(String);

/// Skips this test, which cannot run here.
pub fn skip(reason: &str) -> ! {
    panic::resume_unwind(Box::new(Skip(reason.to_owned())))
}

/// Prints a line past the test harness, which hides the output of a test that passes.
pub fn show(line: &str) {
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}
