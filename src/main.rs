//! Carries out the steps of the command line on the segment, prints, and picks the exit status.

// The C library calls `main`, without Rust's runtime. The runtime would ignore SIGPIPE, which should end a run whose
// reader is gone, and open /dev/null for a closed stdout, which should be a write error. It would also make a run
// slower. Tests are left out (`not(test)`), since they have a `main` of their own.
#![cfg_attr(not(test), no_main)]

mod cli;
mod lock;
mod segment;

use std::ffi::{CStr, c_char, c_int};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, IntoRawFd};

use cli::{Request, Step};
use segment::Segment;

/// Why a run failed, with the message for the user. Each kind has an exit status, which tells scripts what was done.
enum Failure {
    /// Output may be incomplete. What the flags stored stays stored.
    Output(String),
    /// Usage error. Nothing was touched.
    Usage(String),
    /// The run could not get the lock or the segment. No flag was carried out.
    Access(String),
}

/// The `main` that C expects, under its plain name.
#[cfg_attr(not(test), unsafe(no_mangle))]
unsafe extern "C" fn main(argc: c_int, argv: *const *const c_char) -> c_int {
    // Not std::env::args_os: with musl, only Rust's runtime fills it, so it would be empty here.
    let args = (1..argc as usize).map(|index| {
        // SAFETY: argv holds argc strings that end with a NUL, and nothing changes them.
        let arg = unsafe { CStr::from_ptr(*argv.add(index)) };
        arg.to_bytes().to_owned()
    });
    let (status, message) = match run(args.collect()) {
        Ok(()) => return 0,
        Err(Failure::Output(message)) => (1, message),
        Err(Failure::Usage(message)) => (2, message),
        Err(Failure::Access(message)) => (255, message), // the -1 of the C program
    };
    // In one write, so that messages of parallel runs do not mix. If that fails, there is no one to tell.
    let _ = io::stderr().write_all(format!("shmcli: {message}\n").as_bytes());
    status
}

/// Does what the arguments ask for.
fn run(args: Vec<Vec<u8>>) -> Result<(), Failure> {
    let output = match cli::parse(args).map_err(Failure::Usage)? {
        Request::Run(steps) => carry_out(steps).map_err(Failure::Access)?,
        Request::Show(text) => text.into_bytes(),
    };
    print(&output).map_err(|error| {
        let message = format!("write error: {error}\nAnything that -p stored stays stored.");
        Failure::Output(message)
    })
}

/// Carries out the steps under the lock, and returns the output, to print once the lock is released: a slow reader must
/// not keep other runs waiting.
fn carry_out(steps: Vec<Step>) -> Result<Vec<u8>, String> {
    // Locals are dropped in reverse order, so this one last. The name `_` alone would drop it at once.
    let _lock = lock::acquire()?;
    let segment = Segment::attach()?;
    let mut output = Vec::new();
    for step in steps {
        match step {
            Step::Put(text) => segment.store(&text),
            Step::Get => {
                output.extend(segment.load());
                output.push(b'\n');
            }
        }
    }
    Ok(output)
}

/// Writes to a duplicate of stdout, and closes it, to see every error: `io::Stdout` cannot be closed, and hides EBADF,
/// the error of a stdout that was closed from the start. Duplicating such a stdout tells it.
fn print(output: &[u8]) -> io::Result<()> {
    // With nothing to print, a closed stdout is no error.
    if output.is_empty() {
        return Ok(());
    }
    let mut stdout = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    stdout.write_all(output)?;
    // On a network file system or with a quota, close(2) may be the first to report a lost write, even on a duplicate.
    // SAFETY: into_raw_fd has given this descriptor up, so nothing else closes it.
    match unsafe { libc::close(stdout.into_raw_fd()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
