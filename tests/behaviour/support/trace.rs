//! Runs that stop where a test wants them to, with ptrace(2).

use std::fs;
use std::io;
use std::mem;

use libc::{c_int, c_long};

use super::conditions::with_first_call;
use super::isolation::skip;
use super::run::{Run, Started, command};

/// A run that is stopped whenever it is not told to go on. It dies with the thread that started it.
pub struct Traced(Started);

impl Traced {
    /// A run of shmcli with these arguments, stopped before its first instruction.
    pub fn shmcli<const N: usize>(args: [&str; N]) -> Traced {
        let mut command = command();
        command.args(args);
        let mut command = with_first_call(command, || {
            // SAFETY: with this request, ptrace takes no address.
            unsafe { libc::ptrace(libc::PTRACE_TRACEME) };
            0
        });
        let run = Traced(Started::of(&mut command));
        if !run.is_stopped() {
            skip("ptrace(2) is refused");
        }
        let options = libc::PTRACE_O_EXITKILL as usize;
        run.request(libc::PTRACE_SETOPTIONS as _, options);
        run
    }

    /// Goes on until this system call has returned. Returns `false` if the run ends before.
    pub fn makes(&self, call: c_long) -> bool {
        // A run stops when it makes a call, and once more when that returns.
        while self.goes_on(libc::PTRACE_SYSCALL as _) {
            let made = fs::read_to_string(format!("/proc/{}/syscall", self.0.pid()));
            let made = made.expect("the kernel shows system calls");
            let returns = self.goes_on(libc::PTRACE_SYSCALL as _);
            if !returns || made.starts_with(&format!("{call} ")) {
                return returns;
            }
        }
        false
    }

    /// Carries out one instruction. Returns whether the run goes on.
    pub fn step(&self) -> bool {
        self.goes_on(libc::PTRACE_SINGLESTEP as _)
    }

    /// Goes on without stops until it ends.
    pub fn finish(self) -> Run {
        self.request(libc::PTRACE_DETACH as _, 0);
        self.wait()
    }

    /// What remains of a run that has ended.
    pub fn wait(self) -> Run {
        self.0.wait()
    }

    pub fn kill(self) {
        self.0.signal(libc::SIGKILL);
        self.0.wait();
    }

    fn goes_on(&self, how: c_int) -> bool {
        self.request(how, 0);
        self.is_stopped()
    }

    /// Waits until the run stops or ends.
    fn is_stopped(&self) -> bool {
        // SAFETY: all of a siginfo_t may be zero.
        let mut info: libc::siginfo_t = unsafe { mem::zeroed() };
        let states = libc::WEXITED | libc::WSTOPPED | libc::WNOWAIT;
        // SAFETY: info has room for what waitid tells.
        let waited = unsafe { libc::waitid(libc::P_PID, self.0.pid() as _, &mut info, states) };
        assert_eq!(waited, 0, "{}", io::Error::last_os_error());
        info.si_code == libc::CLD_TRAPPED
    }

    fn request(&self, request: c_int, data: usize) {
        // SAFETY: these requests touch no memory of this process.
        let answer = unsafe { libc::ptrace(request as _, self.0.pid(), 0_usize, data) };
        let error = io::Error::last_os_error();
        if answer == -1 && error.raw_os_error() == Some(libc::EIO) {
            skip("this processor makes no single steps");
        }
        assert_ne!(answer, -1, "the run cannot be traced: {error}");
    }
}
