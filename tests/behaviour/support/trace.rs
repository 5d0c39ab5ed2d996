//! Runs that stop where a test wants them to, with ptrace(2).

use std::ffi::OsStr;
use std::io;
use std::iter;
use std::mem;
use std::process::Command;
use std::ptr;

use libc::{c_int, c_void};

use super::calls;
use super::conditions::{error_unless, with_first_calls};
use super::shmcli::{Run, Started, command};

#[cfg(target_env = "musl")]
type Request = c_int;
#[cfg(not(target_env = "musl"))]
type Request = libc::c_uint;

/// A run of shmcli that is stopped whenever it is not told to go on. It dies with this program.
pub struct Traced(Started);

impl Traced {
    /// Stops before the first instruction.
    pub fn shmcli<I: IntoIterator<Item: AsRef<OsStr>>>(args: I) -> Traced {
        let mut command = command();
        command.args(args);
        Traced::start(command)
    }

    pub fn start(command: Command) -> Traced {
        let mut command = with_first_calls(command, || {
            // SAFETY: with this request, ptrace takes no address.
            error_unless(unsafe { libc::ptrace(libc::PTRACE_TRACEME) } != -1)
        });
        let run = Traced(Started::of(&mut command));
        assert!(run.stopped());
        let options = libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_EXITKILL;
        run.request(
            libc::PTRACE_SETOPTIONS,
            ptr::null_mut(),
            options as usize as *mut c_void,
        );
        run
    }

    /// A put of this command that is stopped in its turn: it has attached the segment, and stored nothing yet.
    pub fn put_in_its_turn(mut command: Command, text: &str) -> Traced {
        command.args(["-p", text]);
        let run = Traced::start(command);
        run.runs_through("shmat");
        run
    }

    /// Goes on until this system call has returned.
    #[track_caller]
    pub fn runs_through(&self, call: &str) {
        assert!(
            self.comes_through(call),
            "{}\n  came:     the end of the run\n  expected: {call}, since a run calls flock, shmget, shmat and shmdt \
             in this order",
            self.0.name()
        );
    }

    /// Goes on until this system call has returned, or the run ends. Tells whether the call was made.
    pub fn comes_through(&self, call: &str) -> bool {
        iter::from_fn(|| self.next_call()).any(|made| made == Some(call))
    }

    /// Makes the system calls that are left, and returns those that the rules speak of.
    pub fn calls(&self) -> Vec<&'static str> {
        iter::from_fn(|| self.next_call()).flatten().collect()
    }

    /// Goes on until a system call has begun and returned, and tells its name. The one that ends the run does not
    /// return.
    fn next_call(&self) -> Option<Option<&'static str>> {
        if !self.goes_on(libc::PTRACE_SYSCALL) {
            return None;
        }
        let call = self.call();
        self.goes_on(libc::PTRACE_SYSCALL).then_some(call)
    }

    /// The name of the system call that has begun.
    fn call(&self) -> Option<&'static str> {
        const PTRACE_GET_SYSCALL_INFO: Request = 0x420e;
        const PTRACE_SYSCALL_INFO_ENTRY: u8 = 1;

        /// The start of what ptrace tells, as its manual page has it. Not every libc has it.
        #[repr(C)]
        #[derive(Default)]
        struct SyscallInfo {
            op: u8,
            arch: u32,
            instruction_pointer: u64,
            stack_pointer: u64,
            number: u64,
            arguments: [u64; 6],
        }

        let mut info = SyscallInfo::default();
        let size = mem::size_of_val(&info) as *mut c_void;
        self.request(PTRACE_GET_SYSCALL_INFO, size, (&raw mut info).cast());
        assert_eq!(info.op, PTRACE_SYSCALL_INFO_ENTRY);
        calls::name(info.number, info.arguments[0])
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
        self.0.ends()
    }

    pub fn kill(self) {
        self.0.kill();
    }

    fn goes_on(&self, how: Request) -> bool {
        self.request(how, ptr::null_mut(), ptr::null_mut());
        self.stopped()
    }

    /// Waits until the run stops or ends. A run that has ended is left to `ended` or `kill`.
    fn stopped(&self) -> bool {
        // SAFETY: all of a siginfo_t may be zero.
        let mut info: libc::siginfo_t = unsafe { mem::zeroed() };
        let states = libc::WEXITED | libc::WSTOPPED | libc::WNOWAIT;
        // SAFETY: info has room for what waitid tells.
        let waited =
            unsafe { libc::waitid(libc::P_PID, self.0.pid() as libc::id_t, &mut info, states) };
        assert_eq!(waited, 0, "{}", io::Error::last_os_error());
        if info.si_code != libc::CLD_TRAPPED {
            return false;
        }
        let mut status: c_int = 0;
        // SAFETY: status has room for what waitpid tells.
        unsafe { libc::waitpid(self.0.pid(), &mut status, 0) };
        let signal = libc::WSTOPSIG(status) & !0x80;
        assert_eq!(
            signal,
            libc::SIGTRAP,
            "shmcli was stopped by another signal"
        );
        true
    }

    fn request(&self, request: Request, address: *mut c_void, data: *mut c_void) {
        // SAFETY: the child is stopped, and each caller passes what its request takes.
        let answer = unsafe { libc::ptrace(request, self.0.pid(), address, data) };
        assert_ne!(answer, -1, "{}", io::Error::last_os_error());
    }
}
