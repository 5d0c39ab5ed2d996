//! Where a test runs: in a process and an IPC namespace of its own. If no namespace can be made, tests run in place,
//! one at a time, and only if there is no segment that they could harm.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::process::{self, Command};
use std::sync::{Mutex, OnceLock};
use std::thread;

use super::segment::Segment;

/// Tells the process of a test which namespace it should have left, or [`IN_PLACE`].
const OUTSIDE: &str = "SHMCLI_TEST_OUTSIDE";
const IN_PLACE: &str = "in place";

/// The exit status of the process of a test that is skipped.
const SKIPPED: i32 = 77;

/// A test is killed after this many seconds.
const TIME_LIMIT: &str = "60";

/// Runs a test's body where there is no segment, by starting this program again for it alone.
pub fn isolated(test: impl FnOnce()) {
    match env::var(OUTSIDE) {
        Err(_) => in_its_own_process(),
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

/// Lowers a limit on shared memory for this namespace alone.
pub fn lower_limit(name: &str, limit: usize) {
    if env::var(OUTSIDE).is_ok_and(|outside| outside == IN_PLACE) {
        skip("in place, a lower limit would hit other programs");
    }
    if let Err(error) = fs::write(format!("/proc/sys/kernel/{name}"), limit.to_string()) {
        skip(&format!("kernel.{name} cannot be lowered: {error}"));
    }
}

fn in_its_own_process() {
    static ONE_TEST_IN_PLACE: Mutex<()> = Mutex::new(());

    let (name, prefix) = (test_name(), namespace_prefix());
    let in_place = prefix.is_empty();
    let outside = if in_place {
        IN_PLACE.to_owned()
    } else {
        namespace()
    };
    let _others_wait = in_place.then(|| ONE_TEST_IN_PLACE.lock());
    let found = in_place.then(Segment::find).flatten();
    assert!(found.is_none(), "this would touch a user's segment");
    let output = Command::new("timeout")
        .args(["-s", "KILL", TIME_LIMIT])
        .args(prefix)
        .arg(env::current_exe().expect("this program has a path"))
        .args(["--exact", &name, "--nocapture"])
        .env(OUTSIDE, outside)
        .output()
        .expect("timeout can be started");
    if let Some(segment) = in_place.then(Segment::find).flatten() {
        segment.remove();
    }
    let told = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(0) => assert!(output.stdout.windows(8).any(|part| part == b"1 passed")),
        Some(SKIPPED) => show(&told),
        _ => panic!("{}, after at most {TIME_LIMIT} s:\n{told}", output.status),
    }
}

/// What makes an IPC namespace for a test, as root or as an ordinary user. Nothing, if that is not allowed.
fn namespace_prefix() -> &'static [&'static str] {
    const PREFIXES: [&[&str]; 2] = [
        &["unshare", "--ipc"],
        &["unshare", "--user", "--map-root-user", "--ipc"],
    ];
    static PREFIX: OnceLock<&[&str]> = OnceLock::new();

    PREFIX.get_or_init(|| {
        let works = |prefix: &&[&str]| {
            let test = Command::new(prefix[0]).args(&prefix[1..]).arg("true").output();
            test.is_ok_and(|output| output.status.success())
        };
        PREFIXES.into_iter().find(works).unwrap_or_else(|| {
            if Segment::find().is_some() {
                show(
                    "The tests cannot run: unshare(1) can make no IPC namespace for them here, and they would \
                     overwrite the segment with key 3148. If you do not need that, remove it (`ipcrm -M 3148`).\n",
                );
                process::exit(1);
            }
            show("The tests run in place, since unshare(1) can make no IPC namespace here.\n");
            &[]
        })
    })
}

/// The IPC namespace of this process.
fn namespace() -> String {
    let link = fs::read_link("/proc/self/ns/ipc").expect("the kernel has IPC namespaces");
    link.to_string_lossy().into_owned()
}

fn test_name() -> String {
    let name = thread::current().name().map(str::to_owned);
    name.expect("a test's thread has its name")
}

/// Prints past the test harness, which hides the output of a test that passes.
fn show(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}
