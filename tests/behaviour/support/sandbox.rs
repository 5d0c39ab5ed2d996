//! An IPC namespace for each test, so that none ever touches the caller's segment.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::process::Command;
use std::thread;

/// Names the caller's IPC namespace to a test that is to find itself in another one.
const OUTSIDE: &str = "SHMCLI_TEST_OUTSIDE";

/// Runs the body of a test in a private IPC namespace: the test's name starts this program again, for that test alone,
/// by unshare(1). As an ordinary user, that takes a user namespace too.
pub fn isolated(test: impl FnOnce()) {
    let namespace = fs::read_link("/proc/self/ns/ipc").expect("the kernel has IPC namespaces");
    if let Some(outside) = env::var_os(OUTSIDE) {
        assert_ne!(
            outside, namespace,
            "this test would touch the caller's segment"
        );
        return test();
    }
    let name = thread::current()
        .name()
        .expect("a test runs in a thread of its name")
        .to_owned();
    let mut unshare = Command::new("unshare");
    unshare.arg("--ipc");
    if !is_root() {
        unshare.args(["--user", "--map-root-user"]);
    }
    let output = unshare
        .arg(env::current_exe().expect("this program has a path"))
        .args(["--exact", &name, "--nocapture"])
        .env(OUTSIDE, namespace)
        .output()
        .expect("the tests need unshare(1), of util-linux, to make private IPC namespaces");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    if stderr.starts_with("unshare: ") {
        panic!("the tests need private IPC namespaces, and none can be made here: {stderr}");
    }
    assert!(
        output.status.success() && stdout.contains("1 passed"),
        "{stdout}{stderr}"
    );
    show(&stderr);
}

/// The same for a test of what only root can cause.
pub fn isolated_as_root(test: impl FnOnce()) {
    if is_root() {
        isolated(test);
    } else {
        skip("only root can cause it");
    }
}

/// Lowers a limit on shared memory for this namespace alone. Tells whether it could: older kernels let nobody but root.
pub fn lower_limit(name: &str, limit: u32) -> bool {
    match fs::write(format!("/proc/sys/kernel/{name}"), limit.to_string()) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            skip(&format!("kernel.{name} cannot be lowered here"));
            false
        }
        written => {
            written.expect("limits can be written");
            true
        }
    }
}

fn skip(reason: &str) {
    let thread = thread::current();
    show(&format!(
        "skipped: {}: {reason}\n",
        thread.name().unwrap_or_default()
    ));
}

/// Prints past the test harness, which would keep the output of a test that passes to itself.
fn show(text: &str) {
    io::stderr()
        .write_all(text.as_bytes())
        .expect("stderr can be written");
}

fn is_root() -> bool {
    // SAFETY: geteuid touches no memory and cannot fail.
    unsafe { libc::geteuid() == 0 }
}
