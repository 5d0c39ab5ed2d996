//! How a run takes the lock, how long it waits for it, and whom the lock keeps out.

use std::process::Command;
use std::time::{Duration, Instant};

use libc::{c_int, c_ulong};

use crate::support::*;

/// A put of `x` that is stopped while it holds the lock.
fn holder(put: Command) -> Traced {
    Traced::put_under_the_lock(put, "x")
}

/// This get waits for the put that holds the lock, and then prints what it stored.
#[track_caller]
fn waits_for(holder: Traced, mut get: Command) {
    let waiting = Started::of(get.arg("-g")).waits();
    holder.finish().prints("");
    waiting.ends().prints("x\n");
}

#[test]
fn a_run_waits_for_another_to_end() {
    isolated(|| waits_for(holder(command()), command()));
}

#[test]
fn a_run_of_another_user_waits() {
    isolated(|| waits_for(holder(command()), command_of_another_user()));
}

#[test]
fn a_run_in_other_user_mount_and_pid_namespaces_waits() {
    isolated(|| {
        let options = [
            "--user",
            "--map-root-user",
            "--mount",
            "--pid",
            "--fork",
            "--mount-proc",
        ];
        waits_for(holder(command()), command_behind_unshare(&options));
    });
}

#[test]
fn a_run_in_another_ipc_namespace_has_its_own_lock() {
    isolated(|| {
        let mut elsewhere = command_behind_unshare(&["--ipc"]);
        let holder = holder(command());
        Run::of(elsewhere.arg("-g")).prints("\n");
        holder.finish().prints("");
    });
}

#[test]
fn runs_without_proc_wait_for_each_other() {
    isolated(|| {
        let root = EmptyRoot::create();
        waits_for(holder(root.command()), root.command());
    });
}

#[test]
fn a_run_that_waits_tries_often_at_first_and_less_often_later() {
    isolated(|| {
        let holder = holder(command());
        let waiting = Traced::shmcli(["-g"]);
        let pauses: Vec<Duration> = (0..20).map(|_| waiting.try_and_pause()).collect();
        assert!(pauses.is_sorted(), "{pauses:?}");
        let (first, last) = (pauses[0].as_micros(), pauses[19].as_micros());
        assert!((1..=1_000).contains(&first), "the first takes {first} µs");
        assert!((2_000..=50_000).contains(&last), "the last takes {last} µs");
        waiting.kill();
        holder.kill();
    });
}

#[test]
fn a_run_that_waits_is_ended_by_its_callers_alarm_and_signals() {
    isolated(|| {
        let holder = holder(command());
        for signal in [libc::SIGINT, libc::SIGTERM] {
            let waiting = Started::of(command().arg("-g")).waits();
            waiting.signal(signal);
            waiting.ends().ends_by_signal(signal);
        }
        // SAFETY: alarm touches no memory.
        let mut with_alarm = with_first_call(command(), || unsafe { libc::alarm(1) as c_int });
        Run::of(with_alarm.arg("-g")).ends_by_signal(libc::SIGALRM);
        Run::of(Command::new("timeout").args(["0.3", BINARY, "-g"])).ends_with(124, "");
        holder.finish().prints("");
    });
}

#[test]
fn a_run_that_does_not_get_the_lock_gives_up_after_ten_seconds() {
    const WINDOW: std::ops::Range<u64> = 10..20;

    isolated(|| {
        // SAFETY: prctl with this operation touches no memory.
        let slow_timers = with_first_call(command(), || unsafe {
            libc::prctl(libc::PR_SET_TIMERSLACK, 100_000_000 as c_ulong)
        });
        let holder = holder(command());
        let before = Segment::existing().bytes();
        let began = Instant::now();
        let start = |mut command: Command| Started::of(command.args(["-g", "-p", "lost"]));
        for run in [command(), slow_timers].map(start) {
            let said = run.ends().fails(255).says("within 10 seconds");
            said.says("lslocks").says("kill -CONT").says("kill -KILL");
            let waited = began.elapsed();
            assert!(
                WINDOW.contains(&waited.as_secs()),
                "a run waited {waited:?}"
            );
        }
        expect_bytes("the segment", &Segment::existing().bytes(), &before);
        holder.kill();
        shmcli(["-g"]).prints("\n");
    });
}
