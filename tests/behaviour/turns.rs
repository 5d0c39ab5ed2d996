//! How a run takes its turn, how long it waits for it, and whom the turn keeps out.

use std::process::Command;
use std::time::{Duration, Instant};

use libc::c_int;

use crate::support::conditions::{EmptyRoot, command_of_another_user, with_first_calls};
use crate::support::place::{isolated, namespace, skip};
use crate::support::segment::{SIZE, Segment};
use crate::support::shmcli::{BINARY, Run, Started, command, shmcli};
use crate::support::shown::expect_bytes;
use crate::support::trace::Traced;

const STOPPED: &str = "of a stopped run";

/// A put that is stopped in its turn.
fn stopped_put(command: Command) -> Traced {
    Traced::put_in_its_turn(command, STOPPED)
}

/// The binary behind this prefix, such as `unshare --user`. Skips the test where not even `true` runs behind it.
fn allowed(prefix: &[&str]) -> Command {
    let mut command = Command::new(prefix[0]);
    command.args(&prefix[1..]);
    match command.arg("true").output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => skip(String::from_utf8_lossy(&output.stderr).trim()),
        Err(error) => skip(&format!("{}: {error}", prefix[0])),
    }
    let mut command = Command::new(prefix[0]);
    command.args(&prefix[1..]).arg(BINARY);
    command
}

/// This get waits while a put is stopped in its turn, and prints what the put stored then.
#[track_caller]
fn waits_for(stopped: Traced, mut get: Command) {
    let waiting = Started::of(get.arg("-g")).waits();
    stopped.finish().prints("");
    waiting.ends().prints(format!("{STOPPED}\n"));
}

/// A run makes these calls that the rules speak of, in this order, and no others.
#[track_caller]
fn makes_a_few_calls(run: Traced, printed: &str) {
    let mut calls = run.calls();
    // Before the turn, a run opens what it locks, and a dynamic linker the libraries.
    let opens = calls.iter().take_while(|&&call| call == "open").count();
    calls.drain(..opens);
    assert_eq!(calls, ["flock", "shmget", "shmat", "shmdt", "write"]);
    run.ended().prints(printed);
}

#[test]
fn a_run_makes_a_few_calls_and_prints_when_its_turn_is_over() {
    isolated(|| makes_a_few_calls(Traced::shmcli(["-p", "x", "-g", "-p", "y", "-g"]), "x\ny\n"));
}

#[test]
fn a_program_that_stays_attached_delays_no_run() {
    isolated(|| {
        let view = Segment::create(SIZE, 0o666).attach();
        makes_a_few_calls(Traced::shmcli(["-p", "x", "-g"]), "x\n");
        assert_eq!(view.string(), b"x");
    });
}

#[test]
fn a_run_waits_for_another_to_end() {
    isolated(|| waits_for(stopped_put(command()), command()));
}

#[test]
fn a_run_of_another_user_waits() {
    isolated(|| waits_for(stopped_put(command()), command_of_another_user()));
}

#[test]
fn a_run_waits_for_another_user() {
    isolated(|| {
        // Of this user, who could not remove one of another user.
        Segment::create(SIZE, 0o666);
        waits_for(stopped_put(command_of_another_user()), command());
    });
}

#[test]
fn a_run_in_other_mount_and_pid_namespaces_waits() {
    isolated(|| {
        let get = allowed(&["unshare", "--mount", "--pid", "--fork", "--mount-proc"]);
        waits_for(stopped_put(command()), get);
    });
}

#[test]
fn a_run_in_another_user_namespace_waits() {
    isolated(|| waits_for(stopped_put(command()), allowed(&["unshare", "--user"])));
}

#[test]
fn a_run_in_another_ipc_namespace_has_its_own_turn() {
    isolated(|| {
        let mut elsewhere = allowed(&["unshare", "--ipc"]);
        let stopped = stopped_put(command());
        Started::of(elsewhere.arg("-g")).ends().prints("\n");
        stopped.finish().prints("");
    });
}

#[test]
fn runs_without_proc_take_turns_too() {
    isolated(|| {
        let root = EmptyRoot::create();
        waits_for(stopped_put(root.command()), root.command());
    });
}

#[test]
fn a_run_in_an_empty_root_directory_works() {
    isolated(|| {
        let root = EmptyRoot::create();
        Run::of(root.command().args(["-p", "x", "-g"])).prints("x\n");
    });
}

/// These runs wait for one that is stopped, and give up as they should. It is ended then.
#[track_caller]
fn give_up<const N: usize>(waiting: [Command; N], stopped: Traced, locked: &str) {
    const AT_LEAST: Duration = Duration::from_secs(10);
    const AT_MOST: Duration = Duration::from_secs(60);

    let before = Segment::existing().bytes();
    let start = Instant::now();
    let waiting = waiting.map(|mut command| Started::of(command.args(["-g", "-p", "lost"])));
    for run in waiting {
        run.ends()
            .fails(255)
            .starts("shmcli: no turn within 10 seconds: a run that is stopped in the middle, another program or very")
            .says(&format!("`lslocks` shows the process that took the lock on {locked}. Let it go on"))
            .says("(`kill -CONT PID`), or end it and its children (`kill -KILL PID`)");
        let waited = start.elapsed();
        assert!(
            (AT_LEAST..AT_MOST).contains(&waited),
            "a run waited {waited:?} for its turn"
        );
    }
    expect_bytes(
        "the segment after runs that got no turn",
        &Segment::existing().bytes(),
        &before,
    );
    stopped.kill();
}

/// The binary, for a run that timeout(1) ends after so many seconds.
fn limited(seconds: &str) -> Command {
    let mut limited = Command::new("timeout");
    limited.args([seconds, BINARY]);
    limited
}

#[test]
fn a_run_that_gets_no_turn_gives_up_after_ten_seconds() {
    isolated(|| {
        let slow_timers = with_first_calls(limited("60"), || {
            const SLACK: libc::c_ulong = 100_000_000;
            // SAFETY: prctl with this operation touches no memory.
            unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, SLACK) };
            Ok(())
        });
        let waiting = [limited("60"), slow_timers];
        give_up(waiting, stopped_put(command()), &namespace());
        shmcli(["-g"]).prints("\n");
    });
}

#[test]
fn a_run_without_proc_gives_up_after_ten_seconds_too() {
    isolated(|| {
        let root = EmptyRoot::create();
        give_up(
            [root.command()],
            stopped_put(root.command()),
            "the root directory of this run",
        );
        shmcli(["-g"]).prints("\n");
    });
}

#[test]
fn a_run_may_be_made_to_wait_less() {
    isolated(|| {
        let stopped = stopped_put(command());
        Run::of(limited("0.3").arg("-g")).fails(124);
        stopped.finish().prints("");
        Run::of(limited("60").arg("-g")).prints(format!("{STOPPED}\n"));
    });
}

#[test]
fn the_standard_descriptors_may_be_closed() {
    isolated(|| {
        for closed in 0..8 {
            let is_closed = move |descriptor: c_int| closed & 1 << descriptor != 0;
            let mut command = with_first_calls(command(), move || {
                for descriptor in (0..3).filter(|&descriptor| is_closed(descriptor)) {
                    // SAFETY: nothing uses this descriptor before the program that is started next.
                    unsafe { libc::close(descriptor) };
                }
                Ok(())
            });
            let text = format!("closed: {closed:03b}");
            let run = Run::of(command.args(["-p", &text, "-g"]));
            if is_closed(libc::STDOUT_FILENO) {
                let told = if is_closed(libc::STDERR_FILENO) {
                    ""
                } else {
                    "shmcli: output could not be written"
                };
                run.fails(1).starts(told);
            } else {
                run.prints(format!("{text}\n"));
            }
            expect_bytes("the string", &Segment::existing().string(), text.as_bytes());
        }
    });
}
