//! Runs under unusual conditions.

use std::env;
use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::fd::IntoRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{self, Command};

use libc::{c_int, c_long, c_uint, rlim_t};

use super::place::skip;
use super::shmcli::{BINARY, command};

/// Some user who is neither root nor the caller.
const NOBODY: u32 = 65534;

/// Makes these system calls before the command's program is started. They must allocate nothing.
pub fn with_first_calls(
    mut command: Command,
    calls: impl FnMut() -> io::Result<()> + Send + Sync + 'static,
) -> Command {
    // SAFETY: between fork and exec, system calls may be made that allocate nothing.
    unsafe { command.pre_exec(calls) };
    command
}

/// The system's reason where a call has not succeeded.
pub fn error_unless(succeeded: bool) -> io::Result<()> {
    if succeeded {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Sets a limit of setrlimit(2), such as `RLIMIT_NOFILE`, for the command's program.
pub fn with_limit(command: Command, resource: c_uint, limit: rlim_t) -> Command {
    with_first_calls(command, move || {
        let limit = libc::rlimit {
            rlim_cur: limit,
            rlim_max: limit,
        };
        // SAFETY: the limit is valid as long as the call takes.
        error_unless(unsafe { libc::setrlimit(resource as _, &limit) } == 0)
    })
}

/// The binary, for a run without root's right to use any segment.
pub fn unprivileged_command() -> Command {
    const CAP_IPC_OWNER: libc::c_ulong = 15;

    with_first_calls(command(), || {
        // SAFETY: prctl with this operation touches no memory. It fails for those who lack the right anyway.
        unsafe { libc::prctl(libc::PR_CAPBSET_DROP, CAP_IPC_OWNER) };
        Ok(())
    })
}

/// The binary, for a run of another user, who need not be able to reach the folder that it is in.
pub fn command_of_another_user() -> Command {
    let binary = File::open(BINARY).expect("the binary can be read");
    // SAFETY: this descriptor is open. The copy stays open for all runs, which inherit it.
    let inherited = unsafe { libc::dup(binary.into_raw_fd()) };
    let mut command = Command::new(format!("/proc/self/fd/{inherited}"));
    become_another_user(&mut command);
    command
}

/// Makes this a command of another user, or skips the test where this user may not do so.
pub fn become_another_user(command: &mut Command) {
    if let Err(error) = Command::new("true").uid(NOBODY).gid(NOBODY).status() {
        skip(&format!("no other user can be had here: {error}"));
    }
    command.uid(NOBODY).gid(NOBODY);
}

/// A root directory that holds nothing but the binary, and so no /proc, until this is dropped.
pub struct EmptyRoot(PathBuf);

impl EmptyRoot {
    /// Skips the test where no run can be made there.
    pub fn create() -> EmptyRoot {
        let root = EmptyRoot(env::temp_dir().join(format!("shmcli-test-{}", process::id())));
        fs::create_dir(&root.0).expect("a folder can be made for the tests");
        fs::copy(BINARY, root.0.join("shmcli")).expect("the binary can be copied");
        match root.command().arg("--version").output() {
            Ok(_) => root,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                skip("a dynamically linked shmcli finds no libraries in an empty root directory")
            }
            Err(error) => skip(&format!(
                "the root directory cannot be changed here: {error}"
            )),
        }
    }

    pub fn command(&self) -> Command {
        let root = CString::new(self.0.as_os_str().as_bytes()).expect("a path holds no NUL");
        with_first_calls(Command::new("/shmcli"), move || {
            // SAFETY: both paths end with a NUL.
            error_unless(unsafe { libc::chroot(root.as_ptr()) | libc::chdir(c"/".as_ptr()) } == 0)
        })
    }
}

impl Drop for EmptyRoot {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).expect("a folder of the tests can be removed");
    }
}

/// The binary, for a run in which the system answers these calls with this error, as a sandbox may.
pub fn command_with_denied_calls(calls: &[c_long], errno: c_int) -> Command {
    const LOAD_NUMBER: u16 = 0x20;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;

    let denial = libc::SECCOMP_RET_ERRNO | errno as u32;
    let instruction = |code, jf, k| libc::sock_filter { code, jt: 0, jf, k };
    let mut filter = vec![instruction(LOAD_NUMBER, 0, 0)];
    for &call in calls {
        // Unless this is the call, the next instruction is jumped over.
        filter.push(instruction(JUMP_IF_EQUAL, 1, call as u32));
        filter.push(instruction(RETURN, 0, denial));
    }
    filter.push(instruction(RETURN, 0, libc::SECCOMP_RET_ALLOW));
    with_first_calls(command(), move || {
        let program = libc::sock_fprog {
            len: filter.len() as u16,
            filter: filter.as_mut_ptr(),
        };
        // SAFETY: the program and its filter exist as long as the call takes.
        error_unless(unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
                && libc::prctl(
                    libc::PR_SET_SECCOMP,
                    libc::SECCOMP_MODE_FILTER,
                    &raw const program,
                ) == 0
        })
    })
}
