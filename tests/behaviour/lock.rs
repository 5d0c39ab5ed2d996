//! How a run takes the lock, how long it waits for it, and whom the lock keeps out.

use std::ffi::CString;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::process::{self, Command};
use std::time::Instant;

use libc::c_int;

use crate::support::*;

/// Holds a shared lock, which keeps out only a run that takes the lock for itself alone, as it must.
fn hold(file: &str) -> File {
    lock(file, libc::LOCK_SH).expect("it can be locked")
}

/// This run waits as long as this file is locked.
#[track_caller]
fn waits_for(file: &str, mut run: Command) {
    let lock = hold(file);
    let waiting = Started::of(run.args(["-p", "x", "-g"])).waits();
    drop(lock);
    waiting.wait().prints("x\n");
}

#[test]
fn a_run_waits_for_the_lock() {
    isolated(|| waits_for(NAMESPACE, program(BINARY)));
}

#[test]
fn a_run_of_another_user_waits() {
    isolated(|| {
        // That user might not be able to reach the program's folder, but its run can inherit a descriptor.
        let binary = File::open(BINARY).expect("the program can be read");
        // Rust opens files to be closed in a new program. A duplicate stays open.
        // SAFETY: this descriptor is open.
        let inherited = unsafe { libc::dup(binary.as_raw_fd()) };
        let mut run = program(format!("/proc/self/fd/{inherited}"));
        run.uid(65533).gid(65533);
        shmcli(["-g"]).prints("\n"); // makes the segment this user's, who can then remove it
        if let Err(error) = run.output() {
            skip(&format!("another user cannot start the program: {error}"));
        }
        waits_for(NAMESPACE, run);
    });
}

/// The program behind unshare(1) with these options, if that is allowed.
fn behind_unshare(options: &[&str]) -> Command {
    needs_unshare(options);
    let mut command = program("unshare");
    command.args(options).arg(BINARY);
    command
}

#[test]
fn a_run_in_other_user_mount_and_pid_namespaces_waits() {
    isolated(|| {
        // --user, --map-root-user, --mount, then also --pid and --fork
        for options in [&["-Urm"][..], &["-Urmpf", "--mount-proc"]] {
            waits_for(NAMESPACE, behind_unshare(options));
        }
    });
}

#[test]
fn a_run_in_another_ipc_namespace_has_its_own_lock() {
    isolated(|| {
        let mut elsewhere = behind_unshare(&["--ipc"]);
        let _lock = hold(NAMESPACE);
        Run::of(elsewhere.arg("-g")).prints("\n");
    });
}

#[test]
fn a_run_that_waits_is_ended_by_its_callers_alarm_and_signals() {
    isolated(|| {
        let _lock = hold(NAMESPACE);
        for signal in [libc::SIGINT, libc::SIGTERM] {
            // These tests may have been started with SIGINT ignored, as by a shell's `&`.
            // SAFETY: signal touches no memory.
            let mut heeding = calling_first(program(BINARY), move || unsafe {
                libc::signal(signal, libc::SIG_DFL) as c_int
            });
            let waiting = Started::of(heeding.arg("-g")).waits();
            waiting.signal(signal);
            waiting.wait().dies_of(signal);
        }
        // SAFETY: alarm touches no memory.
        let mut with_alarm = calling_first(program(BINARY), || unsafe { libc::alarm(1) as c_int });
        Run::of(with_alarm.arg("-g")).dies_of(libc::SIGALRM);
    });
}

#[test]
fn a_run_that_does_not_get_the_lock_gives_up_after_ten_seconds() {
    isolated(|| {
        let segment = Segment::holding(b"old");
        let before = segment.bytes();
        let _lock = hold(NAMESPACE);
        let began = Instant::now();
        let run = shmcli(["-g", "-p", "lost"]).fails(255);
        let waited = began.elapsed().as_secs();
        assert!((10..20).contains(&waited), "it waited {waited} s");
        let run = run.says(["the lock within 10 seconds", "`fuser -v /proc/self/ns/ipc`"]);
        run.says(["`kill -CONT PID`", "`kill -KILL PID`"]);
        segment.holds(&before);
    });
}

/// The run did not get the lock for this reason, and touched nothing.
#[track_caller]
fn cannot_lock(run: Run, reason: c_int) {
    let run = run.fails(255).says_reason(reason);
    let run = run.says(["could not get the lock", "/proc/self/ns/ipc"]);
    run.says(["sandbox", "`ulimit -n`"]);
    assert!(Segment::find().is_none());
}

#[test]
fn without_descriptors_nothing_is_touched() {
    isolated(|| {
        let run = Run::of(program("sh").args(["-c", r#"ulimit -n 3 && exec "$0" -g"#, BINARY]));
        cannot_lock(run.skip_on_127(), libc::EMFILE);
    });
}

#[test]
fn without_the_lock_nothing_is_touched() {
    isolated(|| {
        let mut denied = command_with_denied(libc::SYS_flock, libc::ENOSYS);
        cannot_lock(Run::of(denied.args(["-p", "x"])), libc::ENOSYS);
    });
}

#[test]
fn only_a_run_that_finds_no_namespace_locks_its_root_directory() {
    isolated(|| {
        // The directory holds nothing but the program, and so no /proc.
        let root = format!("{}/root {}", env!("CARGO_TARGET_TMPDIR"), process::id());
        let _ = fs::remove_dir_all(&root); // left of killed tests
        if let Err(error) = fs::create_dir(&root) {
            skip(&format!("{root} cannot be made: {error}"));
        }
        // By a child: another test's run might inherit a file that this process writes, which then cannot start.
        Run::of(program("cp").args([BINARY, &root])).prints("");
        let path = CString::new(&*root).expect("a path holds no NUL");
        let command = || {
            let path = path.clone();
            // SAFETY: both paths end with a NUL.
            calling_first(program("/shmcli"), move || unsafe {
                libc::chroot(path.as_ptr()) | libc::chdir(c"/".as_ptr())
            })
        };
        let started = command().arg("--version").status();
        if !started.is_ok_and(|status| status.success()) {
            fs::remove_dir_all(root).expect("a folder can be removed");
            skip("the program does not start in another root directory");
        }
        waits_for(&root, command());
        Segment::existing().remove().expect("it can be removed"); // cannot_lock wants none

        fs::create_dir_all(format!("{root}/proc/self/ns")).expect("folders can be made");
        // A link to itself, which exists but cannot be opened: ELOOP.
        let linked = symlink("ipc", format!("{root}/proc/self/ns/ipc"));
        linked.expect("a link to itself can be made");
        cannot_lock(Run::of(command().arg("-g")), libc::ELOOP);
        fs::remove_dir_all(root).expect("a folder can be removed");
    });
}
