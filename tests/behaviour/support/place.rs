//! Where a test runs: in a process and an IPC namespace of its own, or in place if no namespace can be made.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::process::{self, Command, Output};
use std::sync::OnceLock;
use std::thread;

use super::conditions::with_first_call;
use super::in_place;

/// Tells the process of a test which namespace it should have left, or one of the two below.
const OUTSIDE: &str = "SHMCLI_TEST_OUTSIDE";
const IN_PLACE: &str = "in place";
/// Makes the process call [`in_place::guard`].
pub const GUARD: &str = "guard";

/// The exit status of the process of a test that is skipped.
const SKIPPED: i32 = 77;

/// A test is killed after this many seconds.
const TIME_LIMIT: &str = "180";

/// Runs a test's body where there is no segment, by starting this program again for it alone.
pub fn isolated(test: impl FnOnce()) {
    match env::var(OUTSIDE).as_deref() {
        Err(_) => in_its_own_process(),
        Ok(GUARD) => in_place::guard(),
        Ok(outside) => {
            assert_ne!(outside, namespace(), "this is the caller's namespace");
            test();
        }
    }
}

/// Skips this test, which cannot run here.
pub fn skip(reason: &str) -> ! {
    show(&format!("skipped: {}: {}\n", test_name(), reason.trim()));
    process::exit(SKIPPED)
}

/// Whether this is the caller's namespace.
pub fn is_in_place() -> bool {
    env::var(OUTSIDE).is_ok_and(|outside| outside == IN_PLACE)
}

fn in_its_own_process() {
    let output = match namespace_prefix() {
        None => in_place::run(|| limited("", IN_PLACE)),
        Some(prefix) => limited(prefix, &namespace()),
    };
    let told = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(0) => assert!(output.stdout.windows(8).any(|part| part == b"1 passed")),
        Some(SKIPPED) => show(&told),
        _ => panic!("{}, after at most {TIME_LIMIT} s:\n{told}", output.status),
    }
}

/// Runs this test with a time limit. It ends with these tests, too.
fn limited(prefix: &str, outside: &str) -> Output {
    let command = this_test(&format!("timeout -s KILL {TIME_LIMIT} {prefix}"), outside);
    // SAFETY: prctl with this operation touches no memory.
    let mut command = with_first_call(command, || unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM)
    });
    command.output().expect("timeout cannot be started")
}

/// This program for this test alone, started by the program that the prefix names.
pub fn this_test(prefix: &str, outside: &str) -> Command {
    let mut words = prefix.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words);
    command.arg(env::current_exe().expect("this program has a path"));
    command.args(["--exact", &test_name(), "--nocapture"]);
    command.env(OUTSIDE, outside);
    command
}

/// What makes an IPC namespace for a test, as root or as an ordinary user, if that is allowed.
fn namespace_prefix() -> Option<&'static str> {
    const PREFIXES: [&str; 2] = ["unshare --ipc", "unshare --user --map-root-user --ipc"];
    static PREFIX: OnceLock<Option<&str>> = OnceLock::new();

    *PREFIX.get_or_init(|| {
        PREFIXES.into_iter().find(|prefix| {
            let script = format!("{prefix} true");
            let test = Command::new("sh").args(["-c", &script]).output();
            test.is_ok_and(|output| output.status.success())
        })
    })
}

/// The IPC namespace of this process.
pub fn namespace() -> String {
    let link = fs::read_link("/proc/self/ns/ipc").expect("the kernel has IPC namespaces");
    link.to_string_lossy().into_owned()
}

fn test_name() -> String {
    let name = thread::current().name().map(str::to_owned);
    name.expect("a test's thread has its name")
}

/// Prints past the test harness, which hides the output of a test that passes.
pub fn show(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}
