//! Carries out the steps of the command line on the segment, prints, and picks the exit status.

// The C library calls `main`, without Rust's runtime, which would make a run a tenth slower, turn a closed standard
// output into /dev/null, and ignore SIGPIPE, the signal that is to end a run whose reader is gone.
#![no_main]

mod cli;
mod lock;
mod segment;

use std::ffi::{CStr, c_char, c_int};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, IntoRawFd};

use cli::{Step, Stop};
use segment::Segment;

/// The exit statuses of failed runs, and what they promise to scripts.
enum Status {
    /// Output may be incomplete. What the flags stored stays stored.
    Output = 1,
    /// Usage error. Nothing was touched.
    Usage = 2,
    /// The run could not get the lock or the segment. No flag was carried out.
    Access = 255, // the -1 of the C program
}

#[unsafe(no_mangle)]
unsafe extern "C" fn main(argc: c_int, argv: *const *const c_char) -> c_int {
    // With musl, std::env::args_os is empty without Rust's runtime.
    let args = (1..argc as usize).map(|index| {
        // SAFETY: argv holds argc strings that end with a NUL, and nothing changes them.
        let arg = unsafe { CStr::from_ptr(*argv.add(index)) };
        arg.to_bytes().to_owned()
    });
    if let Err((status, message)) = run(args) {
        // In one write, so that messages of parallel runs do not mix. If that fails, there is no one to tell.
        let _ = io::stderr().write_all(format!("shmcli: {message}\n").as_bytes());
        return status as c_int;
    }
    0
}

/// Does what the arguments ask for. An error is the exit status and the message.
fn run(args: impl Iterator<Item = Vec<u8>>) -> Result<(), (Status, String)> {
    let output = match cli::parse(args) {
        Ok(steps) => carry_out(steps).map_err(|message| (Status::Access, message))?,
        Err(Stop::Show(text)) => text.into_bytes(),
        Err(Stop::Usage(message)) => return Err((Status::Usage, message)),
    };
    print(&output).map_err(|error| {
        let message = format!("write error: {error}\nAny text that -p stored stays stored.");
        (Status::Output, message)
    })
}

/// Carries out the steps under the lock, and returns the output, to print once the lock is released: a slow reader must
/// not keep other runs waiting.
fn carry_out(steps: Vec<Step>) -> Result<Vec<u8>, String> {
    // Dropped last, after the segment. A plain `_` would drop it at once.
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

/// Writes to a duplicate of stdout, and closes that: `io::Stdout` would hide EBADF, the error of a closed stdout.
fn print(output: &[u8]) -> io::Result<()> {
    // With nothing to print, a closed standard output is no error.
    if output.is_empty() {
        return Ok(());
    }
    let mut stdout = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    stdout.write_all(output)?;
    // On a network file system or with a quota, close(2) may be the first to report a lost write. Drop ignores errors.
    // SAFETY: into_raw_fd has given this descriptor up, so nothing else closes it.
    match unsafe { libc::close(stdout.into_raw_fd()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
