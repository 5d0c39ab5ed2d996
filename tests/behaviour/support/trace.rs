//! Runs that stop where a test wants them to, with ptrace(2).

use std::ffi::OsStr;
use std::io;
use std::iter;
use std::mem;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::ptr;

use libc::{c_int, c_long, c_uint, c_void, pid_t};

use super::shmcli::{Run, command};

/// A run of shmcli that is stopped whenever it is not told to go on. It dies with this program.
pub struct Traced(Child);

impl Traced {
    /// Stops before the first instruction.
    pub fn shmcli<I: IntoIterator<Item: AsRef<OsStr>>>(args: I) -> Traced {
        Traced::start(command().args(args))
    }

    pub fn start(command: &mut Command) -> Traced {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        // SAFETY: ptrace with PTRACE_TRACEME is a mere system call, which may be made between fork and exec.
        unsafe {
            command.pre_exec(|| {
                libc::ptrace(libc::PTRACE_TRACEME);
                Ok(())
            })
        };
        let run = Traced(command.spawn().expect("shmcli can be run"));
        assert!(run.stopped());
        let options = libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_EXITKILL;
        run.request(
            libc::PTRACE_SETOPTIONS,
            ptr::null_mut(),
            options as usize as *mut c_void,
        );
        run
    }

    pub fn pid(&self) -> pid_t {
        self.0.id() as pid_t
    }

    /// Goes on until this system call has returned. Returns whether it was made before the run ended.
    #[must_use]
    pub fn runs_through(&self, call: c_long) -> bool {
        iter::from_fn(|| self.next_call()).any(|made| made == call)
    }

    /// Makes the system calls that are left until the run ends.
    pub fn calls(&self) -> Vec<c_long> {
        iter::from_fn(|| self.next_call()).collect()
    }

    /// Goes on until a system call has returned, and tells which. The one that ends the run does not return.
    fn next_call(&self) -> Option<c_long> {
        if !self.goes_on(libc::PTRACE_SYSCALL) {
            return None;
        }
        // SAFETY: all of a ptrace_syscall_info are integers, which may be zero.
        let mut info: libc::ptrace_syscall_info = unsafe { mem::zeroed() };
        let size = mem::size_of_val(&info) as *mut c_void;
        self.request(libc::PTRACE_GET_SYSCALL_INFO, size, (&raw mut info).cast());
        assert_eq!(info.op, libc::PTRACE_SYSCALL_INFO_ENTRY);
        // SAFETY: at the entry of a system call, entry is the part of the union that the kernel fills in.
        let call = unsafe { info.u.entry.nr } as c_long;
        self.goes_on(libc::PTRACE_SYSCALL).then_some(call)
    }

    /// Carries out one instruction. Returns whether the run goes on.
    pub fn step(&self) -> bool {
        self.goes_on(libc::PTRACE_SINGLESTEP)
    }

    /// Goes on without stops until it ends.
    pub fn finish(self) -> Run {
        self.request(libc::PTRACE_DETACH, ptr::null_mut(), ptr::null_mut());
        self.ended()
    }

    /// What remains of a run that has ended.
    pub fn ended(self) -> Run {
        let output = self.0.wait_with_output().expect("a run can be waited for");
        Run::ended("a traced run".to_owned(), output)
    }

    pub fn kill(mut self) {
        self.0.kill().expect("a child can be killed");
        self.0.wait().expect("a child can be waited for");
    }

    fn goes_on(&self, how: c_uint) -> bool {
        self.request(how, ptr::null_mut(), ptr::null_mut());
        self.stopped()
    }

    /// Waits until the run stops or ends. A run that has ended is left to `ended` or `kill`.
    fn stopped(&self) -> bool {
        // SAFETY: all of a siginfo_t may be zero.
        let mut info: libc::siginfo_t = unsafe { mem::zeroed() };
        let states = libc::WEXITED | libc::WSTOPPED;
        // SAFETY: info has room for what waitid tells.
        let waited =
            unsafe { libc::waitid(libc::P_PID, self.0.id(), &mut info, states | libc::WNOWAIT) };
        assert_eq!(waited, 0, "{}", io::Error::last_os_error());
        if info.si_code != libc::CLD_TRAPPED {
            return false;
        }
        let mut status: c_int = 0;
        // SAFETY: status has room for what waitpid tells.
        unsafe { libc::waitpid(self.pid(), &mut status, 0) };
        let signal = libc::WSTOPSIG(status) & !0x80;
        assert_eq!(
            signal,
            libc::SIGTRAP,
            "shmcli was stopped by another signal"
        );
        true
    }

    fn request(&self, request: c_uint, address: *mut c_void, data: *mut c_void) {
        // SAFETY: the child is stopped, and each caller passes what its request takes.
        let answer = unsafe { libc::ptrace(request, self.pid(), address, data) };
        assert_ne!(answer, -1, "{}", io::Error::last_os_error());
    }
}
