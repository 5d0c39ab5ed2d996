//! How a run takes the lock, how long it waits for it, and whom the lock keeps out.

use std::ffi::{CString, OsStr};
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use libc::{SYS_clock_nanosleep, SYS_flock, SYS_nanosleep, c_int, c_long, c_ulong};

use crate::support::*;

/// Holds the lock as a reader of the segment might: a run wants it alone.
fn hold(file: impl AsRef<Path>) -> Lock {
    Lock::take(file, libc::LOCK_SH).expect("no one else locks it")
}

/// This run waits as long as this file is locked.
#[track_caller]
fn waits_for(file: impl AsRef<Path>, mut run: Command) {
    let lock = hold(file);
    let waiting = Started::of(run.args(["-p", "x", "-g"])).waits();
    drop(lock);
    waiting.ends().prints("x\n");
}

#[test]
fn a_run_waits_for_the_lock() {
    isolated(|| waits_for(NAMESPACE, command()));
}

#[test]
fn a_run_of_another_user_waits() {
    isolated(|| {
        // That user might not be able to reach the program's folder, but can inherit a descriptor.
        let binary = File::open(BINARY).expect("the program can be read");
        // SAFETY: this descriptor is open.
        let inherited = unsafe { libc::dup(binary.as_raw_fd()) };
        let mut run = Command::new(format!("/proc/self/fd/{inherited}"));
        run.uid(65533).gid(65533);
        if let Err(error) = run.output() {
            skip(&format!("another user cannot start the program: {error}"));
        }
        waits_for(NAMESPACE, run);
    });
}

/// The program behind unshare(1) with these options, if that is allowed.
fn behind_unshare(options: &[&str]) -> Command {
    needs_unshare(options);
    let mut command = Command::new("unshare");
    command.args(options).arg(BINARY);
    command
}

#[test]
fn a_run_in_other_user_mount_and_pid_namespaces_waits() {
    isolated(|| {
        let options = "--user --map-root-user --mount --pid --fork --mount-proc";
        let options: Vec<&str> = options.split(' ').collect();
        waits_for(NAMESPACE, behind_unshare(&options));
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

/// Goes on through a try for the lock and a pause, and tells the length of the pause.
fn try_and_pause(run: &Traced) -> Duration {
    assert!(run.makes(&[SYS_flock]).is_some());
    let calls = [SYS_flock, SYS_clock_nanosleep, SYS_nanosleep];
    let call = run.makes(&calls).expect("a run that waits goes on");
    let timespec = match call[0] as c_long {
        libc::SYS_clock_nanosleep => call[3],
        libc::SYS_nanosleep => call[1],
        _ => panic!("there is no pause"),
    };
    let [seconds, nanoseconds] = [0, 8].map(|offset| run.word(timespec + offset) as u64);
    Duration::from_secs(seconds) + Duration::from_nanos(nanoseconds)
}

#[test]
fn a_run_that_waits_tries_often_at_first_and_less_often_later() {
    isolated(|| {
        let _lock = hold(NAMESPACE);
        let waiting = Traced::shmcli(["-g"]);
        let pauses: Vec<Duration> = (0..20).map(|_| try_and_pause(&waiting)).collect();
        assert!(pauses.is_sorted(), "{pauses:?}");
        let (first, last) = (pauses[0].as_micros(), pauses[19].as_micros());
        assert!((1..=1_000).contains(&first), "the first takes {first} µs");
        assert!((2_000..=50_000).contains(&last), "the last takes {last} µs");
        waiting.kill();
    });
}

#[test]
fn a_run_that_waits_is_ended_by_its_callers_alarm_and_signals() {
    isolated(|| {
        let _lock = hold(NAMESPACE);
        for signal in [libc::SIGINT, libc::SIGTERM] {
            // SAFETY: signal touches no memory. These tests may have been started with SIGINT ignored.
            let mut heeding = with_first_call(command(), move || unsafe {
                libc::signal(signal, libc::SIG_DFL) as c_int
            });
            let waiting = Started::of(heeding.arg("-g")).waits();
            waiting.signal(signal);
            waiting.ends().ends_by_signal(signal);
        }
        // SAFETY: alarm touches no memory.
        let mut with_alarm = with_first_call(command(), || unsafe { libc::alarm(1) as c_int });
        Run::of(with_alarm.arg("-g")).ends_by_signal(libc::SIGALRM);
    });
}

#[test]
fn a_run_that_does_not_get_the_lock_gives_up_after_ten_seconds() {
    isolated(|| {
        // SAFETY: prctl with this operation touches no memory.
        let slow_timers = with_first_call(command(), || unsafe {
            libc::prctl(libc::PR_SET_TIMERSLACK, 100_000_000 as c_ulong)
        });
        let segment = Segment::holding(b"old");
        let before = segment.bytes();
        let lock = hold(NAMESPACE);
        let began = Instant::now();
        let start = |mut command: Command| Started::of(command.args(["-g", "-p", "lost"]));
        for run in [command(), slow_timers].map(start) {
            let said = run.ends().fails(255).says("within 10 seconds|lslocks");
            said.says("readlink /proc/self/ns/ipc|kill -CONT|kill -KILL|ask its user or root");
            let waited = began.elapsed().as_secs();
            assert!((10..20).contains(&waited), "a run waited {waited} s");
        }
        expect_bytes("the segment", &segment.bytes(), &before);
        drop(lock);
        shmcli(["-p", "x", "-g"]).prints("x\n");
    });
}

/// The run did not get the lock for this reason, and touched nothing.
#[track_caller]
fn cannot_lock(run: Run, reason: c_int) {
    let said = run.fails(255).says_reason(reason);
    said.says("could not get the lock|/proc/self/ns/ipc|sandbox|`ulimit -n`");
    assert!(Segment::find().is_none());
}

#[test]
fn without_descriptors_nothing_is_touched() {
    isolated(|| {
        let limited = |args: &str| {
            let script = format!("ulimit -n 3 && exec '{BINARY}' {args}");
            Run::of(Command::new("sh").args(["-c", &script]))
        };
        if limited("-x").code() != Some(2) {
            skip("the program does not start without descriptors");
        }
        cannot_lock(limited("-p x"), libc::EMFILE);
    });
}

#[test]
fn without_the_lock_nothing_is_touched() {
    isolated(|| {
        let mut denied = command_with_denied(SYS_flock, libc::ENOSYS);
        cannot_lock(Run::of(denied.args(["-p", "x"])), libc::ENOSYS);
    });
}

#[test]
fn only_a_run_without_a_namespace_to_open_locks_its_root_directory() {
    isolated(|| {
        // It holds nothing but the program, and so no /proc.
        let made = Command::new("mktemp").arg("-d").output();
        let made = made.expect("mktemp can be started").stdout;
        let root = Path::new(OsStr::from_bytes(made.trim_ascii_end()));
        fs::copy(BINARY, root.join("shmcli")).expect("the program can be copied");
        let path = CString::new(root.as_os_str().as_bytes()).expect("a path holds no NUL");
        let command = || {
            let path = path.clone();
            // SAFETY: both paths end with a NUL.
            with_first_call(Command::new("/shmcli"), move || unsafe {
                libc::chroot(path.as_ptr()) | libc::chdir(c"/".as_ptr())
            })
        };
        let starts = command().arg("--version").output();
        let starts = starts.is_ok_and(|output| output.status.success());
        if starts {
            waits_for(root, command());
            Segment::existing().remove().expect("it can be removed");
            fs::create_dir_all(root.join("proc/self/ns")).expect("folders can be made");
            let linked = symlink("ipc", root.join("proc/self/ns/ipc"));
            linked.expect("a link to itself can be made");
            cannot_lock(Run::of(command().arg("-g")), libc::ELOOP);
        }
        fs::remove_dir_all(root).expect("a folder can be removed");
        if !starts {
            skip("the program does not start in another root directory");
        }
    });
}
