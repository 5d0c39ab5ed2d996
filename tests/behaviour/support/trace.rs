//! Runs that stop where a test wants them to, with ptrace(2).

use std::{fs, io, mem};

use libc::{c_int, c_long};

use super::*;

/// A traced run stays stopped until it is told to go on, or until the thread that started it ends.
impl Started {
    /// A run of shmcli with these arguments, stopped before its first instruction.
    pub fn traced(args: &[&str]) -> Started {
        // SAFETY: with this request, ptrace takes no address.
        let mut command = calling_first(program(BINARY), || unsafe {
            libc::ptrace(libc::PTRACE_TRACEME) as c_int
        });
        let run = Started::of(command.args(args));
        assert!(run.stops());
        run
    }

    /// Goes on until this system call has returned. Returns `false` if the run ends before.
    pub fn makes(&self, call: c_long) -> bool {
        // A run stops when it makes a call, and once more when that returns.
        while self.stops_again(libc::PTRACE_SYSCALL as _) {
            let made = fs::read_to_string(format!("/proc/{}/syscall", self.child.id()));
            let made = made.expect("the kernel shows system calls");
            if !self.stops_again(libc::PTRACE_SYSCALL as _) {
                break; // exit(2) does not return
            }
            if made.starts_with(&format!("{call} ")) {
                return true;
            }
        }
        false
    }

    /// Carries out one instruction. Returns `false` if the run ends.
    pub fn step(&self) -> bool {
        self.stops_again(libc::PTRACE_SINGLESTEP as _)
    }

    /// Goes on in this way (its type varies with libc) until it stops again. Returns `false` if it ends.
    fn stops_again(&self, how: c_int) -> bool {
        // SAFETY: these requests touch no memory of this process.
        let answer = unsafe { libc::ptrace(how as _, self.child.id(), 0_usize, 0_usize) };
        let error = io::Error::last_os_error();
        if answer == -1 && error.raw_os_error() == Some(libc::EIO) {
            skip("the kernel makes no single steps on this processor"); // RISC-V
        }
        assert_ne!(answer, -1, "the run cannot be traced: {error}");
        self.stops()
    }

    /// Waits until the run stops. Returns `false` if it ends.
    fn stops(&self) -> bool {
        // SAFETY: all of a siginfo_t may be zero.
        let mut info: libc::siginfo_t = unsafe { mem::zeroed() };
        // WNOWAIT leaves the end to `Started::wait`. A stop is not told again once the run has gone on.
        let states = libc::WEXITED | libc::WSTOPPED | libc::WNOWAIT;
        // SAFETY: info has room for what waitid tells.
        let waited = unsafe { libc::waitid(libc::P_PID, self.child.id() as _, &mut info, states) };
        done(waited).expect("a child can be waited for");
        // SAFETY: for these states, waitid has told the status.
        let signal = unsafe { info.si_status() };
        let is_stopped = info.si_code == libc::CLD_TRAPPED;
        assert!(!is_stopped || signal == libc::SIGTRAP, "signal {signal}");
        is_stopped
    }
}
