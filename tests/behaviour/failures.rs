//! If a run cannot get the lock or the segment, no flag is carried out.

use std::fs;
use std::os::unix::fs::symlink;

use libc::c_int;

use crate::support::*;

/// This call failed for this reason, and the run said what the user can do.
#[track_caller]
fn cannot_attach(run: Run, call: &str, reason: c_int) {
    let said = run.fails(255).says(&format!("{call} failed"));
    let said = said.says_reason(reason).says("4096 bytes");
    let said = said.says("`ipcrm -M 0x00000c4c`").says("`ipcs -lm`");
    said.says("sandbox");
}

#[test]
fn a_segment_that_may_not_be_written_is_refused() {
    isolated(|| {
        Segment::create(SIZE, 0o444);
        let run = Run::of(unprivileged_command().arg("-g"));
        cannot_attach(run, "shmget", libc::EACCES);
    });
}

#[test]
fn a_smaller_segment_is_refused() {
    isolated(|| {
        let segment = Segment::create(SIZE - 1, 0o666);
        cannot_attach(shmcli(["-p", "x"]), "shmget", libc::EINVAL);
        expect_bytes("the segment", &segment.bytes(), &[0; SIZE - 1]);
    });
}

#[test]
fn a_segment_that_is_removed_again_and_again_is_given_up() {
    isolated(|| {
        let run = Traced::shmcli(["-g"]);
        while run.makes(libc::SYS_shmget) {
            Segment::existing().remove();
        }
        cannot_attach(run.ended(), "shmat", libc::EINVAL);
    });
}

#[test]
fn a_limit_on_shared_memory_is_told() {
    isolated(|| {
        lower_limit("shmmni", 0);
        cannot_attach(shmcli(["-g"]), "shmget", libc::ENOSPC);
        lower_limit("shmmax", SIZE - 1);
        cannot_attach(shmcli(["-g"]), "shmget", libc::EINVAL);
    });
}

#[test]
fn a_sandbox_may_forbid_the_segment() {
    isolated(|| {
        for reason in [libc::EPERM, libc::ENOSYS, libc::EINVAL] {
            let mut command = command_with_denied(libc::SYS_shmget, reason);
            cannot_attach(Run::of(command.arg("-g")), "shmget", reason);
        }
    });
}

/// The run did not get the lock for this reason, and touched nothing.
#[track_caller]
fn cannot_lock(run: Run, reason: c_int) {
    let said = run.if_static().fails(255).says("could not get the lock");
    let said = said.says_reason(reason).says("/proc/self/ns/ipc");
    said.says("sandbox").says("`ulimit -n`");
    assert!(Segment::find().is_none());
}

#[test]
fn without_the_lock_nothing_is_touched() {
    isolated(|| {
        let mut denied = command_with_denied(libc::SYS_flock, libc::ENOSYS);
        cannot_lock(Run::of(denied.args(["-p", "x"])), libc::ENOSYS);
        let mut limited = command_without_descriptors();
        cannot_lock(Run::of(limited.args(["-p", "x"])), libc::EMFILE);
    });
}

#[test]
fn a_namespace_that_exists_but_cannot_be_opened_is_a_failure() {
    isolated(|| {
        let root = EmptyRoot::create();
        let folder = root.0.join("proc/self/ns");
        fs::create_dir_all(&folder).expect("a folder can be made");
        symlink("ipc", folder.join("ipc")).expect("a link to itself can be made");
        cannot_lock(Run::of(root.command().arg("-g")), libc::ELOOP);
    });
}
