//! Where the segment or a turn cannot be had, each errno caused for real.

use std::io;
use std::process::Command;

use libc::c_int;

use crate::support::calls::{FOR_FLOCK, FOR_OPEN, FOR_SHMGET};
use crate::support::conditions::{
    become_another_user, command_of_another_user, command_with_denied_calls, unprivileged_command,
    with_first_calls, with_limit,
};
use crate::support::place::{isolated, lower_limit, skip};
use crate::support::segment::{SIZE, Segment};
use crate::support::shmcli::{Failure, Run, command, shmcli};
use crate::support::shown::expect_bytes;
use crate::support::trace::Traced;

/// The message of a run in which this failed.
fn message(what: &str, errno: c_int, advice: &str) -> String {
    let reason = io::Error::from_raw_os_error(errno);
    format!("shmcli: {what} failed: {reason}\n{advice}\n")
}

fn forbidden(call: &str) -> String {
    let advice = format!("This user may not read and write the segment with key 3148. {REMEDY}");
    message(call, libc::EACCES, &advice)
}

/// What to do about the segment.
const REMEDY: &str = "`ipcs -m` shows it as 0x00000c4c, with its owner and size. Its owner or the machine's root can \
    remove it with `ipcrm -M 3148`.";

/// A segment of another user, who removes it when this is dropped.
struct OfAnotherUser;

impl OfAnotherUser {
    fn create() -> OfAnotherUser {
        OfAnotherUser::carry_out(|| {
            Segment::create(SIZE, 0o600);
        });
        OfAnotherUser
    }

    fn carry_out(action: fn()) {
        let mut other = with_first_calls(Command::new("true"), move || {
            action();
            Ok(())
        });
        become_another_user(&mut other);
        assert!(other.status().expect("true can be run").success());
    }
}

impl Drop for OfAnotherUser {
    fn drop(&mut self) {
        OfAnotherUser::carry_out(|| Segment::existing().remove());
    }
}

#[test]
fn another_users_private_segment_is_left_alone() {
    isolated(|| {
        let _removed_at_the_end = OfAnotherUser::create();
        Run::of(unprivileged_command().arg("-g"))
            .fails(255)
            .is(&forbidden("shmget"));
        Run::of(unprivileged_command().args(["-p", "x"])).fails(255);
        Run::of(command_of_another_user().arg("-g")).prints("\n");
    });
}

#[test]
fn a_segment_that_may_not_be_written_is_refused() {
    isolated(|| {
        Segment::create(SIZE, 0o444);
        Run::of(unprivileged_command().arg("-g"))
            .fails(255)
            .is(&forbidden("shmget"));
    });
}

#[test]
fn a_segment_closed_after_shmget_is_refused() {
    isolated(|| {
        let mut command = unprivileged_command();
        command.arg("-g");
        let run = Traced::start(command);
        run.runs_through("shmget");
        Segment::existing().set_mode(0);
        run.finish().fails(255).is(&forbidden("shmat"));
    });
}

#[test]
fn a_smaller_segment_is_refused() {
    isolated(|| {
        let segment = Segment::create(SIZE - 1, 0o666);
        let advice = format!("The segment with key 3148 is smaller than 4096 bytes. {REMEDY}");
        shmcli(["-p", "x"])
            .fails(255)
            .is(&message("shmget", libc::EINVAL, &advice));
        expect_bytes("the segment", &segment.bytes(), &[0; SIZE - 1]);
    });
}

#[test]
fn a_limit_below_the_size_of_the_segment_is_reported() {
    isolated(|| {
        lower_limit("shmmax", SIZE as u32 - 1);
        let advice = "The system's limits on a segment's size (kernel.shmmax) forbid 4096 bytes: change them.";
        shmcli(["-p", "x"])
            .fails(255)
            .is(&message("shmget", libc::EINVAL, advice));
    });
}

#[test]
fn a_limit_on_segments_is_reported() {
    isolated(|| {
        lower_limit("shmmni", 0);
        no_space();
    });
}

#[test]
fn a_limit_on_shared_memory_is_reported() {
    isolated(|| {
        lower_limit("shmall", 0);
        no_space();
    });
}

#[track_caller]
fn no_space() {
    let advice = "The system's limit on segments (kernel.shmmni) or on shared memory as a whole (kernel.shmall) is \
        reached: remove segments that are no longer needed (`ipcs -m`, `ipcrm`) or raise the limit.";
    shmcli(["-g"])
        .fails(255)
        .is(&message("shmget", libc::ENOSPC, advice));
}

#[test]
fn lack_of_memory_and_a_far_larger_segment_are_reported() {
    isolated(|| {
        Segment::create(2 << 30, 0o666);
        let advice = format!(
            "There is not enough memory: end programs that use much of it, or raise this user's limits. It may also \
             be that the segment with key 3148 is far larger than 4096 bytes. {REMEDY}"
        );
        let mut command = with_limit(command(), libc::RLIMIT_AS as _, 1 << 30);
        Run::of(command.arg("-g"))
            .fails(255)
            .is(&message("shmat", libc::ENOMEM, &advice));
    });
}

#[test]
fn a_segment_that_is_removed_again_and_again_is_reported() {
    isolated(|| {
        let run = Traced::shmcli(["-g"]);
        while run.comes_through("shmget") {
            Segment::existing().remove();
        }
        let advice = "The segment was removed again and again before it could be attached: end the program that does so.";
        run.ended()
            .fails(255)
            .is(&message("shmat", libc::EINVAL, advice));
    });
}

/// A run without what even a dynamic linker needs fails. Skips the test where that is why.
#[track_caller]
fn fails_if_static(mut command: Command) -> Failure {
    let run = Run::of(command.arg("-g"));
    if run.status().code() == Some(127) {
        skip("a dynamically linked shmcli cannot be started so");
    }
    run.fails(255)
}

#[test]
fn a_system_without_system_v_shared_memory_is_named() {
    isolated(|| {
        let advice = "This system, or the sandbox or container that this runs in, does not allow System V shared memory.";
        for errno in [libc::EPERM, libc::ENOSYS] {
            fails_if_static(command_with_denied_calls(FOR_SHMGET, errno))
                .is(&message("shmget", errno, advice));
        }
    });
}

const NEEDED_FOR_A_TURN: &str = "A run opens and locks /proc/self/ns/ipc, or / where that cannot be opened. This \
    takes a free file descriptor (`ulimit -n`), and a system, sandbox or container that allows it.";

#[test]
fn without_a_lock_nothing_is_done() {
    isolated(|| {
        for (calls, errno, what) in [
            (
                FOR_FLOCK,
                libc::ENOSYS,
                "no turn: flock of /proc/self/ns/ipc",
            ),
            (FOR_OPEN, libc::EACCES, "no turn: open of /"),
            // Runs that found no free descriptor for a moment would lock something else.
            (FOR_OPEN, libc::ENFILE, "no turn: open of /proc/self/ns/ipc"),
        ] {
            fails_if_static(command_with_denied_calls(calls, errno)).is(&message(
                what,
                errno,
                NEEDED_FOR_A_TURN,
            ));
        }
        assert!(Segment::find().is_none());
    });
}

#[test]
fn without_a_free_descriptor_nothing_is_done() {
    isolated(|| {
        let what = "no turn: open of /proc/self/ns/ipc";
        fails_if_static(with_limit(command(), libc::RLIMIT_NOFILE as _, 3)).is(&message(
            what,
            libc::EMFILE,
            NEEDED_FOR_A_TURN,
        ));
        assert!(Segment::find().is_none());
    });
}
