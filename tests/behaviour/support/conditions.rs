//! Runs under unusual conditions.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::{io, ptr};

use libc::{c_int, c_long};

use super::*;

/// Makes this system call before the command's program is started. If it answers -1, the start fails with its error.
pub fn calling_first(
    mut command: Command,
    mut call: impl FnMut() -> c_int + Send + Sync + 'static,
) -> Command {
    // SAFETY: between fork and exec, system calls may be made that allocate nothing.
    unsafe { command.pre_exec(move || done(call())) };
    command
}

/// Skips the test if there is no unshare(1), or it fails with these options.
pub fn needs_unshare(options: &[&str]) {
    match program("unshare").args(options).arg("true").output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => skip(&String::from_utf8_lossy(&output.stderr)),
        Err(error) => skip(&format!("unshare(1) cannot be started: {error}")),
    }
}

/// The program, for a run in which the system answers this call with this error, as a sandbox may.
pub fn command_with_denied(call: c_long, errno: c_int) -> Command {
    const LOAD_NUMBER: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16; // at offset 0
    const JUMP_IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

    needs_seccomp();
    let instruction = |code, jf, k| libc::sock_filter { code, jt: 0, jf, k };
    let mut filter = [
        instruction(LOAD_NUMBER, 0, 0),
        instruction(JUMP_IF_EQUAL, 1, call as u32),
        instruction(RETURN, 0, libc::SECCOMP_RET_ERRNO | errno as u32),
        instruction(RETURN, 0, libc::SECCOMP_RET_ALLOW),
    ];
    calling_first(program(BINARY), move || {
        let prog = libc::sock_fprog {
            len: filter.len() as u16,
            filter: filter.as_mut_ptr(),
        };
        // -1 if one of the two is -1.
        // SAFETY: the program and its filter exist as long as the calls take.
        unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
                | libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &prog)
        }
    })
}

/// Skips the test if the system takes no filters. One that does answers EFAULT to a filter at the null address.
fn needs_seccomp() {
    let none: *const libc::sock_fprog = ptr::null();
    // SAFETY: the kernel checks the address.
    let answer = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, none) };
    let error = io::Error::last_os_error();
    if answer == 0 || error.raw_os_error() != Some(libc::EFAULT) {
        skip(&format!("seccomp(2) is refused: {error}"));
    }
}
