//! Runs under unusual conditions.

use std::io::{self, ErrorKind};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::ptr;

use libc::{c_int, c_long};

use super::isolation::{done, skip};
use super::run::{BINARY, program};

/// Makes this system call before the command's program is started. On -1, that is not started. EACCES of the call
/// becomes EPERM, with which a start itself does not fail.
pub fn with_first_call(
    mut command: Command,
    mut call: impl FnMut() -> c_int + Send + Sync + 'static,
) -> Command {
    let call = move || match done(call()) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            Err(io::Error::from_raw_os_error(libc::EPERM))
        }
        result => result,
    };
    // SAFETY: between fork and exec, system calls may be made that allocate nothing.
    unsafe { command.pre_exec(call) };
    command
}

/// Skips the test if there is no unshare(1), or it fails with these options.
pub fn needs_unshare(options: &[&str]) {
    match program("unshare").args(options).arg("true").output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => skip(&String::from_utf8_lossy(&output.stderr)),
        Err(error) if error.kind() == ErrorKind::NotFound => skip("there is no unshare(1)"),
        Err(error) => panic!("unshare cannot be started: {error}"),
    }
}

/// The program, for a run in which the system answers this call with this error, as a sandbox may.
pub fn command_with_denied(call: c_long, errno: c_int) -> Command {
    const LOAD_NUMBER: u16 = 0x20;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;

    needs_seccomp();
    let instruction = |code, jf, k| libc::sock_filter { code, jt: 0, jf, k };
    let mut filter = [
        instruction(LOAD_NUMBER, 0, 0),
        instruction(JUMP_IF_EQUAL, 1, call as u32),
        instruction(RETURN, 0, libc::SECCOMP_RET_ERRNO | errno as u32),
        instruction(RETURN, 0, libc::SECCOMP_RET_ALLOW),
    ];
    with_first_call(program(BINARY), move || {
        let program = libc::sock_fprog {
            len: filter.len() as u16,
            filter: filter.as_mut_ptr(),
        };
        // -1 if one of the two is -1.
        // SAFETY: the program and its filter exist as long as the calls take.
        unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
                | libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program)
        }
    })
}

/// Skips the test if the system takes no filter. One that does fails to read a filter at the null address.
fn needs_seccomp() {
    let none: *const libc::sock_fprog = ptr::null();
    // SAFETY: the kernel checks the address.
    let answer = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, none) };
    let error = io::Error::last_os_error();
    if answer == 0 || error.raw_os_error() != Some(libc::EFAULT) {
        skip(&format!("seccomp(2) is refused: {error}"));
    }
}
