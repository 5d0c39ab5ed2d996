//! Walks the steps of the command line on the segment, prints, and picks the exit status.

// Nothing runs before `main`, as in a C program. The standard runtime would read /proc/self/maps, poll the standard
// streams and install signal handlers, which takes half as long as all the rest and serves nothing here. It would
// also ignore SIGPIPE, which is to end a run whose reader is gone.
#![cfg_attr(not(test), no_main)]

mod cli;
mod segment;

use std::ffi::{CStr, OsStr, c_char, c_int};
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd;
use std::os::unix::ffi::OsStrExt;

use cli::Step;
use segment::{AttachError, Segment};

/// Output is gathered up to this many bytes before some of it is written while the segment is attached.
const GATHER_LIMIT: usize = 1 << 20;

#[cfg_attr(not(test), unsafe(no_mangle))]
extern "C" fn main(argc: c_int, argv: *const *const c_char) -> c_int {
    // The arguments come from argv itself: std::env::args_os promises them only behind the standard runtime.
    let args = (1..argc as usize).map(|index| {
        // SAFETY: the system passes argc strings in argv, each ends with a NUL, and nothing changes them.
        let arg = unsafe { CStr::from_ptr(*argv.add(index)) };
        OsStr::from_bytes(arg.to_bytes())
    });
    match run(args) {
        Ok(()) => 0,
        Err(failure) => {
            // Where even this cannot be written, the exit status still tells.
            let _ = io::stderr().write_all(failure.to_string().as_bytes());
            failure.status()
        }
    }
}

fn run<'a>(args: impl Iterator<Item = &'a OsStr>) -> Result<(), Failure> {
    let mut output = Output::default();
    match cli::parse(args) {
        Ok(steps) => carry_out(steps, &mut output)?,
        Err(error) if error.use_stderr() => return Err(Failure::Usage(error)),
        Err(help) => output.gathered = help.to_string().into_bytes(),
    }
    output.finish().map_err(Failure::Output)
}

fn carry_out(steps: Vec<Step>, output: &mut Output) -> Result<(), Failure> {
    let segment = Segment::attach().map_err(Failure::Segment)?;
    for step in steps {
        match step {
            Step::Put(text) => segment.store(&text),
            Step::Get => output.line(segment.string()),
        }
    }
    Ok(())
}

/// Gathers what is printed, to be written after the segment is detached: a slow reader is to keep no one from it.
#[derive(Default)]
struct Output {
    gathered: Vec<u8>,
    error: Option<io::Error>,
}

impl Output {
    fn line(&mut self, string: impl Iterator<Item = u8>) {
        self.gathered.extend(string);
        self.gathered.push(b'\n');
        if self.gathered.len() > GATHER_LIMIT {
            self.write();
        }
    }

    /// Writes what is gathered, unless a write has failed before: the steps that are left are carried out either way.
    fn write(&mut self) {
        if self.error.is_none() {
            self.error = write_to_stdout(&self.gathered).err();
        }
        self.gathered.clear();
    }

    fn finish(mut self) -> io::Result<()> {
        self.write();
        self.error.map_or(Ok(()), Err)
    }
}

/// Goes past `io::Stdout`, which takes a closed standard output for a good one.
fn write_to_stdout(bytes: &[u8]) -> io::Result<()> {
    // SAFETY: this borrows the standard output, which nothing closes while it is used: ManuallyDrop keeps it open.
    let mut stdout = ManuallyDrop::new(unsafe { File::from_raw_fd(libc::STDOUT_FILENO) });
    stdout.write_all(bytes)
}

/// Why a run failed. Each failure has its exit status, which makes a promise to scripts.
enum Failure {
    /// Every flag was carried out, but output could not be written.
    Output(io::Error),
    /// The command line makes no sense, and nothing was touched.
    Usage(clap::Error),
    /// The segment could not be had, and no flag was carried out.
    Segment(AttachError),
}

impl Failure {
    fn status(&self) -> c_int {
        match self {
            Failure::Output(_) => 1,
            Failure::Usage(_) => 2,
            Failure::Segment(_) => 255,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Failure::Output(error) => writeln!(
                f,
                "shmcli: output could not be written: {error}\nEvery flag was carried out; only the output is lost."
            ),
            Failure::Usage(error) => write!(f, "{error}"),
            Failure::Segment(error) => writeln!(f, "shmcli: {error}"),
        }
    }
}
