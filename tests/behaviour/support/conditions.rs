//! Runs under unusual conditions.

use std::ffi::{CString, OsStr};
use std::fs::{self, File};
use std::io;
use std::os::fd::IntoRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use libc::{c_int, c_long, c_ulong};

use super::place::skip;
use super::run::{BINARY, command};

/// Makes this system call before the command's program is started. On -1, that is not started.
pub fn with_first_call(
    mut command: Command,
    mut call: impl FnMut() -> c_int + Send + Sync + 'static,
) -> Command {
    let call = move || match call() {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    };
    // SAFETY: between fork and exec, system calls may be made that allocate nothing.
    unsafe { command.pre_exec(call) };
    command
}

/// The program, for a run that may have no descriptors but the standard ones.
pub fn command_without_descriptors() -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 3 && exec \"$0\" \"$@\"", BINARY]);
    command
}

/// The program, for a run without root's right to use any segment.
pub fn unprivileged_command() -> Command {
    const CAP_IPC_OWNER: c_ulong = 15;

    // SAFETY: prctl with this operation touches no memory. It fails for ordinary users, who lack the right anyway.
    with_first_call(command(), || unsafe {
        libc::prctl(libc::PR_CAPBSET_DROP, CAP_IPC_OWNER).max(0)
    })
}

/// The program, for a run of another user, who need not be able to reach the folder that it is in. Skips the test if
/// that user cannot start it.
pub fn command_of_another_user() -> Command {
    const ANOTHER: u32 = 65533;

    let binary = File::open(BINARY).expect("the program can be read");
    // SAFETY: this descriptor is open. The copy stays open for all runs, which inherit it.
    let inherited = unsafe { libc::dup(binary.into_raw_fd()) };
    let command = || {
        let mut command = Command::new(format!("/proc/self/fd/{inherited}"));
        command.uid(ANOTHER).gid(ANOTHER);
        command
    };
    if let Err(error) = command().arg("--version").output() {
        skip(&format!("another user cannot start the program: {error}"));
    }
    command()
}

/// A root directory that holds nothing but the program, and so no /proc, until this is dropped.
pub struct EmptyRoot(pub PathBuf);

impl EmptyRoot {
    /// Skips the test if this user may not change the root directory, or the program is linked dynamically.
    pub fn create() -> EmptyRoot {
        let made = Command::new("mktemp").arg("-d").output();
        let made = made.expect("mktemp can be started");
        assert!(made.status.success(), "mktemp makes a folder");
        let root = EmptyRoot(OsStr::from_bytes(made.stdout.trim_ascii_end()).into());
        fs::copy(BINARY, root.0.join("shmcli")).expect("the program can be copied");
        if let Err(error) = root.command().arg("--version").output() {
            drop(root);
            skip(&format!(
                "the program cannot be started in an empty root directory: {error}"
            ));
        }
        root
    }

    pub fn command(&self) -> Command {
        let root = CString::new(self.0.as_os_str().as_bytes()).expect("a path holds no NUL");
        // SAFETY: both paths end with a NUL.
        with_first_call(Command::new("/shmcli"), move || unsafe {
            libc::chroot(root.as_ptr()) | libc::chdir(c"/".as_ptr())
        })
    }
}

impl Drop for EmptyRoot {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).expect("a folder of the tests can be removed");
    }
}

/// Skips the test if unshare(1) with these options is not allowed.
pub fn needs_unshare(options: &[&str]) {
    let test = Command::new("unshare").args(options).arg("true").output();
    let test = test.expect("unshare can be started");
    if !test.status.success() {
        skip(&String::from_utf8_lossy(&test.stderr));
    }
}

/// The program behind unshare(1) with these options, if that is allowed.
pub fn command_behind_unshare(options: &[&str]) -> Command {
    needs_unshare(options);
    let mut command = Command::new("unshare");
    command.args(options).arg(BINARY);
    command
}

/// The program, for a run in which the system answers this call with this error, as a sandbox may.
pub fn command_with_denied(call: c_long, errno: c_int) -> Command {
    const LOAD_NUMBER: u16 = 0x20;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;

    let instruction = |code, jf, k| libc::sock_filter { code, jt: 0, jf, k };
    let mut filter = [
        instruction(LOAD_NUMBER, 0, 0),
        instruction(JUMP_IF_EQUAL, 1, call as u32),
        instruction(RETURN, 0, libc::SECCOMP_RET_ERRNO | errno as u32),
        instruction(RETURN, 0, libc::SECCOMP_RET_ALLOW),
    ];
    with_first_call(command(), move || {
        let program = libc::sock_fprog {
            len: filter.len() as u16,
            filter: filter.as_mut_ptr(),
        };
        // SAFETY: the program and its filter exist as long as the calls take.
        unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
                | libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program)
        }
    })
}
