//! Runs under unusual conditions.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use libc::{c_int, c_long};

use super::place::skip;
use super::run::command;

/// Makes this system call before the command's program is started. On -1, that is not started.
pub fn with_first_call(
    mut command: Command,
    mut call: impl FnMut() -> c_int + Send + Sync + 'static,
) -> Command {
    let call = move || match (call(), io::Error::last_os_error()) {
        // A start itself may fail with EACCES, but not with EPERM.
        (-1, error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Err(io::Error::from_raw_os_error(libc::EPERM))
        }
        (-1, error) => Err(error),
        _ => Ok(()),
    };
    // SAFETY: between fork and exec, system calls may be made that allocate nothing.
    unsafe { command.pre_exec(call) };
    command
}

/// Whether a sandbox refused a command's first call, or an emulator does not know it. A start itself does not fail so.
pub fn is_refusal(error: &io::Error) -> bool {
    let errno = error.raw_os_error().unwrap_or_default();
    [libc::EPERM, libc::ENOSYS, libc::EINVAL].contains(&errno)
}

/// Skips the test if there is no unshare(1), or it fails with these options.
pub fn needs_unshare(options: &[&str]) {
    match Command::new("unshare").args(options).arg("true").output() {
        Ok(test) if test.status.success() => {}
        Ok(test) => skip(&String::from_utf8_lossy(&test.stderr)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => skip("there is no unshare(1)"),
        Err(error) => panic!("unshare cannot be started: {error}"),
    }
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
