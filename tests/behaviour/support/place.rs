//! Where a test runs: in an IPC namespace of its own or, where none can be made, in place.

use std::env;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::process::{self, Command};
use std::sync::OnceLock;
use std::thread;

use super::aside::{self, Aside};

/// Tells a process that is started for one test where it runs: [`IN_PLACE`], or which namespace it should have left.
const PLACE_VARIABLE: &str = "SHMCLI_TEST_PLACE";
const IN_PLACE: &str = "in place";

/// What unshare(1) takes to make an IPC namespace, as root and as an ordinary user.
const NAMESPACES: [&[&str]; 2] = [&["--ipc"], &["--user", "--map-root-user", "--ipc"]];

/// Runs the body of a test, which finds no segment: the test's name starts this program again, for that test alone, in
/// a new IPC namespace or in place.
pub fn isolated(test: impl FnOnce()) {
    match env::var(PLACE_VARIABLE) {
        Err(_) => run_in_its_own_process(),
        Ok(place) if place == IN_PLACE => {
            let _other_tests_wait = lock_of_tests_in_place();
            let _callers_segment = Aside::take().unwrap_or_else(|error| panic!("{error}"));
            unless_skipped(test);
        }
        Ok(outside) => {
            assert_ne!(
                namespace(),
                outside,
                "this test would touch the caller's segment"
            );
            unless_skipped(test);
        }
    }
}

fn run_in_its_own_process() {
    let name = test_name();
    let mut command = place().command(&env::current_exe().expect("this program has a path"));
    let output = command
        .args(["--exact", &name, "--nocapture"])
        .output()
        .expect("this program can be started");
    let stderr = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        // The test has told why, so that nothing more is to be said of the failure.
        eprint!("{stderr}");
        match output.status.code() {
            Some(_) => panic::resume_unwind(Box::new("failed in its own process")),
            None => panic!("the test's process was ended: {}", output.status),
        }
    }
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(
        stdout.contains("1 passed"),
        "{name} is not the name of one test: {stdout}"
    );
    show(&stderr);
}

enum Place {
    /// In a namespace that unshare(1) makes with these options.
    Namespace(&'static [&'static str]),
    InPlace,
}

/// Finds out once which place there is for all tests, and says it if that is not the usual one.
fn place() -> &'static Place {
    static PLACE: OnceLock<Place> = OnceLock::new();
    PLACE.get_or_init(|| {
        let mut reason = String::new();
        for options in NAMESPACES {
            match Command::new("unshare").args(options).arg("true").output() {
                Ok(output) if output.status.success() => return Place::Namespace(options),
                Ok(output) => reason = String::from_utf8_lossy(&output.stderr).trim().to_owned(),
                Err(error) => reason = format!("unshare: {error}"),
            }
        }
        let _other_tests_wait = lock_of_tests_in_place();
        if let Err(error) = aside::check() {
            show(&format!(
                "The tests cannot run: no IPC namespace can be made here ({reason}), and {error}.\n"
            ));
            process::exit(1);
        }
        show(&format!(
            "The tests run in place, one at a time, since no IPC namespace can be made for them here ({reason}). \
             A string of yours is put aside before each test and is back after it.\n"
        ));
        Place::InPlace
    })
}

impl Place {
    fn command(&self, program: &Path) -> Command {
        match self {
            Place::Namespace(options) => {
                let mut command = Command::new("unshare");
                command
                    .args(*options)
                    .arg(program)
                    .env(PLACE_VARIABLE, namespace());
                command
            }
            Place::InPlace => {
                let mut command = Command::new(program);
                // A process group of its own, so that Ctrl-C does not end it before the caller's segment is back.
                command.env(PLACE_VARIABLE, IN_PLACE).process_group(0);
                command
            }
        }
    }
}

/// The IPC namespace of this process.
pub fn namespace() -> String {
    let link = fs::read_link("/proc/self/ns/ipc").expect("the kernel has IPC namespaces");
    link.to_string_lossy().into_owned()
}

/// Waits until no other test runs in place, of this `cargo test` or of another one.
fn lock_of_tests_in_place() -> File {
    let directory = File::open(env::temp_dir()).expect("there is a directory for temporary files");
    // SAFETY: flock touches no memory of this process.
    let locked = unsafe { libc::flock(directory.as_raw_fd(), libc::LOCK_EX) };
    assert_eq!(locked, 0, "{}", io::Error::last_os_error());
    directory
}

/// Why a test was skipped.
struct Skipped(String);

/// Leaves a test that this place does not allow.
pub fn skip(reason: &str) -> ! {
    panic::resume_unwind(Box::new(Skipped(reason.to_owned())))
}

fn unless_skipped(test: impl FnOnce()) {
    if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(test)) {
        match payload.downcast::<Skipped>() {
            Ok(skipped) => show(&format!("skipped: {}: {}\n", test_name(), skipped.0)),
            Err(payload) => panic::resume_unwind(payload),
        }
    }
}

/// Lowers a limit on shared memory for this namespace alone.
pub fn lower_limit(name: &str, limit: u32) {
    if env::var(PLACE_VARIABLE).is_ok_and(|place| place == IN_PLACE) {
        skip("a limit that is lowered in place would hit other programs");
    }
    if let Err(error) = fs::write(format!("/proc/sys/kernel/{name}"), limit.to_string()) {
        skip(&format!("kernel.{name} cannot be lowered here: {error}"));
    }
}

fn test_name() -> String {
    let thread = thread::current();
    let name = thread.name().expect("a test runs in a thread of its name");
    name.to_owned()
}

/// Prints past the test harness, which would keep the output of a test that passes to itself.
fn show(text: &str) {
    io::stderr()
        .write_all(text.as_bytes())
        .expect("stderr can be written");
}
