//! Walks the steps of the command line on the segment, prints, and picks the exit status.

// Rust's runtime does not run before `main`. It would read /proc/self/maps, poll the standard streams and install
// signal handlers, which takes half as long as all the rest and serves nothing here. It would also ignore SIGPIPE,
// which is to end a run whose reader is gone.
#![no_main]

mod cli;
mod segment;
mod turn;

use std::ffi::{CStr, OsStr, c_char, c_int};
use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::iter;
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd;
use std::os::unix::ffi::OsStrExt;

use cli::Step;
use segment::{AttachError, Segment};
use turn::{Turn, TurnError};

/// Bytes that a pipe takes at once on Linux: larger writes gain nothing.
const PIPE_SIZE: usize = 1 << 16;

#[unsafe(no_mangle)]
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
            // In one write, so that messages of parallel runs do not mix. Where even this cannot be written, the exit
            // status still tells.
            let _ = io::stderr().write_all(failure.to_string().as_bytes());
            failure.status()
        }
    }
}

fn run<'a>(args: impl Iterator<Item = &'a OsStr>) -> Result<(), Failure> {
    match cli::parse(args) {
        Ok(steps) => print(carry_out(steps)?.iter().flat_map(Lines::each)).map_err(Failure::Output),
        Err(error) if error.use_stderr() => Err(Failure::Usage(error)),
        Err(help) => print([help.to_string().as_bytes()]).map_err(Failure::Help),
    }
}

/// Carries out the steps in one turn, and returns what they got. It is printed when the turn is over: a slow reader is
/// to keep no one from the segment.
fn carry_out(steps: Vec<Step>) -> Result<Vec<Lines>, Failure> {
    let turn = Turn::take().map_err(Failure::Turn)?;
    let segment = Segment::attach(turn).map_err(Failure::Segment)?;
    let mut got: Vec<Lines> = Vec::new();
    for step in steps {
        match step {
            Step::Put(text) => segment.store(&text),
            Step::Get => {
                let mut line = segment.string();
                line.push(b'\n');
                match got.last_mut() {
                    Some(last) if last.line == line => last.count += 1,
                    _ => got.push(Lines { line, count: 1 }),
                }
            }
        }
    }
    Ok(got)
}

/// A line, and how often it is printed in a row. `-ggg…` may ask for gigabytes, and alone on the segment, a run gets at
/// most one line more than it puts.
struct Lines {
    line: Vec<u8>,
    count: usize,
}

impl Lines {
    fn each(&self) -> impl Iterator<Item = &[u8]> {
        iter::repeat_n(self.line.as_slice(), self.count)
    }
}

/// Writes to the standard output, as puts(3) does, but not through `io::Stdout`, which reports success where that is
/// closed.
fn print<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> io::Result<()> {
    // SAFETY: nothing else owns this descriptor: where the standard output was closed, the turn's file may have had its
    // number, but the turn is over. ManuallyDrop leaves it open. Where it is closed, write fails with EBADF.
    let stdout = ManuallyDrop::new(unsafe { File::from_raw_fd(libc::STDOUT_FILENO) });
    let mut output = BufWriter::with_capacity(PIPE_SIZE, &*stdout);
    let mut pieces = pieces.into_iter();
    let written = pieces.try_for_each(|piece| output.write_all(piece));
    let written = written.and_then(|()| output.flush());
    // Where a write has failed, dropping the buffer would write again.
    let _ = output.into_parts();
    written
}

/// Why a run failed. Each failure has its exit status, which makes a promise to scripts.
enum Failure {
    /// Every flag was carried out, but what they got could not be written.
    Output(io::Error),
    /// Help or the version could not be written.
    Help(io::Error),
    /// The command line makes no sense, and nothing was touched.
    Usage(clap::Error),
    /// The run got no turn, and nothing was touched.
    Turn(TurnError),
    /// The segment could not be had, and no flag was carried out.
    Segment(AttachError),
}

impl Failure {
    fn status(&self) -> c_int {
        match self {
            Failure::Output(_) | Failure::Help(_) => 1,
            Failure::Usage(_) => 2,
            Failure::Turn(_) | Failure::Segment(_) => 255,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Failure::Output(reason) | Failure::Help(reason) => {
                writeln!(f, "shmcli: output could not be written: {reason}")?;
                if let Failure::Output(_) = self {
                    f.write_str("Every flag was carried out; only the output is lost, all of it or a part.\n")?;
                }
                Ok(())
            }
            Failure::Usage(error) => write!(f, "{error}"),
            Failure::Turn(error) => writeln!(f, "shmcli: {error}"),
            Failure::Segment(error) => writeln!(f, "shmcli: {error}"),
        }
    }
}
