//! Where the segment cannot be had, each errno caused for real.

use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::support::sandbox::{isolated, isolated_as_root, lower_limit};
use crate::support::segment::{SIZE, Segment};
use crate::support::shmcli::{Run, shmcli, unprivileged_command};
use crate::support::trace::Traced;

const FORBIDDEN: &str = "Permission denied (os error 13)\n\
    A segment with key 3148 belongs to someone who does not let this user read and write it. ";

#[test]
fn another_users_private_segment_is_left_alone() {
    isolated_as_root(|| {
        const NOBODY: u32 = 65534;

        let mut other = Command::new("true");
        // SAFETY: what runs between fork and exec makes a system call and allocates nothing.
        unsafe {
            other.uid(NOBODY).pre_exec(|| {
                Segment::create(SIZE, 0o600);
                Ok(())
            })
        };
        assert!(other.status().expect("true can be run").success());

        Run::of(unprivileged_command().arg("-g"))
            .fails(255)
            .starts(&format!("shmcli: shmget failed: {FORBIDDEN}"));
        Run::of(unprivileged_command().args(["-p", "x"])).fails(255);
        assert_eq!(Segment::existing().bytes(), [0; SIZE]);
    });
}

#[test]
fn a_segment_that_may_not_be_written_is_refused() {
    isolated(|| {
        Segment::create(SIZE, 0o444);
        Run::of(unprivileged_command().arg("-g"))
            .fails(255)
            .starts(&format!("shmcli: shmget failed: {FORBIDDEN}"));
    });
}

#[test]
fn a_segment_closed_after_shmget_is_refused() {
    isolated(|| {
        let run = Traced::start(unprivileged_command().arg("-g"));
        assert!(run.runs_through(libc::SYS_shmget));
        Segment::existing().set_mode(0);
        run.finish()
            .fails(255)
            .starts(&format!("shmcli: shmat failed: {FORBIDDEN}"));
    });
}

#[test]
fn a_smaller_segment_is_refused() {
    isolated(|| {
        let segment = Segment::create(SIZE - 1, 0o666);
        too_small_or_forbidden();
        assert_eq!(segment.bytes(), [0; SIZE - 1]);
    });
}

#[test]
fn a_limit_below_the_size_of_the_segment_is_reported() {
    isolated(|| {
        if lower_limit("shmmax", SIZE as u32 - 1) {
            too_small_or_forbidden();
        }
    });
}

#[track_caller]
fn too_small_or_forbidden() {
    shmcli(["-p", "x"])
        .fails(255)
        .starts("shmcli: shmget failed: Invalid argument (os error 22)\n")
        .says("smaller than 4096 bytes (`ipcrm -M 3148` removes it)")
        .says("limits on a segment's size forbid 4096 (kernel.shmmax)");
}

#[test]
fn a_limit_on_segments_is_reported() {
    isolated(|| {
        if lower_limit("shmmni", 0) {
            no_space();
        }
    });
}

#[test]
fn a_limit_on_shared_memory_is_reported() {
    isolated(|| {
        if lower_limit("shmall", 0) {
            no_space();
        }
    });
}

#[track_caller]
fn no_space() {
    shmcli(["-g"])
        .fails(255)
        .starts("shmcli: shmget failed: No space left on device (os error 28)\n")
        .says("segments (kernel.shmmni)")
        .says("shared memory as a whole (kernel.shmall)");
}

#[test]
fn lack_of_memory_is_reported() {
    isolated(|| {
        let run = Traced::shmcli(["-g"]);
        assert!(run.runs_through(libc::SYS_shmget));
        let none = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: the new limit is valid, and the old one is not asked for.
        let set = unsafe { libc::prlimit(run.pid(), libc::RLIMIT_AS, &none, std::ptr::null_mut()) };
        assert_eq!(set, 0);
        run.finish()
            .fails(255)
            .starts("shmcli: shmat failed: Cannot allocate memory (os error 12)\nThere is not enough memory");
    });
}

#[test]
fn other_reasons_stand_alone() {
    isolated(|| {
        let run = Traced::shmcli(["-g"]);
        while run.runs_through(libc::SYS_shmget) {
            Segment::existing().remove();
        }
        run.ended()
            .fails(255)
            .is("shmcli: shmat failed: Invalid argument (os error 22)\n");
    });
}
