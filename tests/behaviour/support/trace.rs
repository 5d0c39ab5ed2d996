//! Runs that stop where a test wants them to, with ptrace(2).

use std::fs::{self, File};
use std::io;
use std::mem;
use std::os::unix::fs::FileExt;
use std::process::Command;
use std::time::Duration;

use libc::{c_int, c_long};

use super::conditions::with_first_call;
use super::run::{Run, Started, command};

#[cfg(target_env = "musl")]
type Request = c_int;
#[cfg(not(target_env = "musl"))]
type Request = libc::c_uint;

/// A run that is stopped whenever it is not told to go on. It dies with the test.
pub struct Traced(Started);

impl Traced {
    /// A run of shmcli with these arguments.
    pub fn shmcli<const N: usize>(args: [&str; N]) -> Traced {
        let mut command = command();
        command.args(args);
        Traced::start(command)
    }

    /// Stops before the first instruction.
    pub fn start(command: Command) -> Traced {
        // SAFETY: with this request, ptrace takes no address.
        let mut command = with_first_call(command, || unsafe {
            libc::ptrace(libc::PTRACE_TRACEME) as c_int
        });
        let run = Traced(Started::of(&mut command));
        assert!(run.stopped());
        run.request(libc::PTRACE_SETOPTIONS, libc::PTRACE_O_EXITKILL);
        run
    }

    /// A put of this command that is stopped under the lock: it has attached the segment, and stored nothing yet.
    pub fn put_under_the_lock(mut command: Command, text: &str) -> Traced {
        command.args(["-p", text]);
        let run = Traced::start(command);
        run.runs_past(libc::SYS_shmat);
        run
    }

    /// Goes on until this system call has returned.
    #[track_caller]
    pub fn runs_past(&self, call: c_long) {
        assert!(self.makes(call), "the system call {call} is not made");
    }

    /// Goes on until this system call has returned, or the run ends. Tells whether the call was made.
    pub fn makes(&self, call: c_long) -> bool {
        while let Some(next) = self.next_call() {
            if next[0] == call as u64 {
                return true;
            }
        }
        false
    }

    /// Goes on through a try for the lock, which another run has, and a pause. Returns the length of the pause.
    pub fn try_and_pause(&self) -> Duration {
        self.runs_past(libc::SYS_flock);
        let timespec = loop {
            let call = self.next_call().expect("a run that waits goes on");
            match call[0] as c_long {
                libc::SYS_clock_nanosleep => break call[3],
                libc::SYS_nanosleep => break call[1],
                other => assert_ne!(other, libc::SYS_flock, "there is no pause"),
            }
        };
        let memory = File::open(format!("/proc/{}/mem", self.0.pid()));
        let mut words = [[0; 8]; 2];
        memory
            .and_then(|memory| memory.read_exact_at(words.as_flattened_mut(), timespec))
            .expect("the timespec can be read");
        let [seconds, nanoseconds] = words.map(u64::from_ne_bytes);
        Duration::new(seconds, nanoseconds as u32)
    }

    /// Goes on until the next system call has returned. Tells its number and arguments, or nothing if the run ends.
    fn next_call(&self) -> Option<Vec<u64>> {
        if !self.goes_on(libc::PTRACE_SYSCALL) {
            return None;
        }
        let call = fs::read_to_string(format!("/proc/{}/syscall", self.0.pid()));
        let call = call.expect("its system call can be read");
        let word = |word: &str| match word.strip_prefix("0x") {
            Some(hexadecimal) => u64::from_str_radix(hexadecimal, 16),
            None => word.parse(),
        };
        let call = call.split_whitespace().flat_map(word).collect();
        self.goes_on(libc::PTRACE_SYSCALL).then_some(call)
    }

    /// Carries out one instruction. Returns whether the run goes on.
    pub fn step(&self) -> bool {
        self.goes_on(libc::PTRACE_SINGLESTEP)
    }

    /// Goes on without stops until it ends.
    pub fn finish(self) -> Run {
        self.request(libc::PTRACE_DETACH, 0);
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

    fn goes_on(&self, how: Request) -> bool {
        self.request(how, 0);
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

    fn request(&self, request: Request, data: c_int) {
        // SAFETY: the child is stopped, and these requests take no address.
        let answer = unsafe { libc::ptrace(request, self.0.pid(), 0_usize, data as usize) };
        assert_ne!(answer, -1, "{}", io::Error::last_os_error());
    }
}
