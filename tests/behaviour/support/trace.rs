//! Runs that stop where a test wants them to, with ptrace(2).

use std::fs;
use std::io;
use std::mem;

use libc::{c_int, c_long};

use super::conditions::with_first_call;
use super::run::{Run, Started, command};

/// A run that is stopped whenever it is not told to go on. It dies with the test.
pub struct Traced(Started);

impl Traced {
    /// A run of shmcli with these arguments, stopped before the first instruction.
    pub fn shmcli<const N: usize>(args: [&str; N]) -> Traced {
        let mut command = command();
        command.args(args);
        // SAFETY: with this request, ptrace takes no address.
        let mut command = with_first_call(command, || unsafe {
            libc::ptrace(libc::PTRACE_TRACEME) as c_int
        });
        let run = Traced(Started::of(&mut command));
        assert!(run.stopped());
        let options = libc::PTRACE_O_EXITKILL as usize;
        run.request(libc::PTRACE_SETOPTIONS as _, 0, options);
        run
    }

    /// Goes on until one of these system calls has returned, and tells its number and arguments. Nothing if the run
    /// ends before.
    pub fn makes(&self, calls: &[c_long]) -> Option<Vec<u64>> {
        loop {
            let call = self.next_call()?;
            if calls.contains(&(call[0] as c_long)) {
                return Some(call);
            }
        }
    }

    /// The word at this address of the run's memory.
    pub fn word(&self, address: u64) -> c_long {
        self.request(libc::PTRACE_PEEKDATA as _, address as usize, 0)
    }

    fn next_call(&self) -> Option<Vec<u64>> {
        if !self.goes_on(libc::PTRACE_SYSCALL as _) {
            return None;
        }
        let call = fs::read_to_string(format!("/proc/{}/syscall", self.0.pid()));
        let call = call.expect("its system call can be read");
        let word = |word: &str| match word.strip_prefix("0x") {
            Some(hexadecimal) => u64::from_str_radix(hexadecimal, 16),
            None => word.parse(),
        };
        let call = call.split_whitespace().flat_map(word).collect();
        self.goes_on(libc::PTRACE_SYSCALL as _).then_some(call)
    }

    /// Carries out one instruction. Returns whether the run goes on.
    pub fn step(&self) -> bool {
        self.goes_on(libc::PTRACE_SINGLESTEP as _)
    }

    /// Goes on without stops until it ends.
    pub fn finish(self) -> Run {
        self.request(libc::PTRACE_DETACH as _, 0, 0);
        self.ended()
    }

    /// What remains of a run that has ended.
    pub fn ended(self) -> Run {
        self.0.ends()
    }

    pub fn kill(self) {
        self.0.signal(libc::SIGKILL);
        self.ended();
    }

    fn goes_on(&self, how: c_int) -> bool {
        self.request(how, 0, 0);
        self.stopped()
    }

    /// Waits until the run stops or ends. A run that has ended is left to `ended` or `kill`.
    fn stopped(&self) -> bool {
        // SAFETY: all of a siginfo_t may be zero.
        let mut info: libc::siginfo_t = unsafe { mem::zeroed() };
        let states = libc::WEXITED | libc::WSTOPPED | libc::WNOWAIT;
        // SAFETY: info has room for what waitid tells.
        let waited = unsafe { libc::waitid(libc::P_PID, self.0.pid() as _, &mut info, states) };
        assert_eq!(waited, 0, "{}", io::Error::last_os_error());
        if info.si_code != libc::CLD_TRAPPED {
            return false;
        }
        // SAFETY: for these states, waitid has told the status.
        let signal = unsafe { info.si_status() };
        assert_eq!(signal, libc::SIGTRAP, "another signal came");
        true
    }

    fn request(&self, request: c_int, address: usize, data: usize) -> c_long {
        // SAFETY: these requests touch no memory of this process.
        let answer = unsafe { libc::ptrace(request as _, self.0.pid(), address, data) };
        let error = io::Error::last_os_error();
        assert!(answer != -1, "it has ended, or cannot be traced: {error}");
        answer
    }
}
