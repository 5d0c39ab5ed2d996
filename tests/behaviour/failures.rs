//! If a run cannot get the segment, no flag is carried out.

use std::fs;

use libc::{c_int, c_ulong};

use crate::support::*;

/// This call failed for this reason, and the run said what the user can do.
#[track_caller]
fn cannot_attach(run: Run, call: &str, reason: c_int) {
    let run = run.fails(255).says_reason(reason);
    let run = run.says([format!("shmcli: {call} failed: ")]);
    if [libc::ENOSPC, libc::ENOMEM].contains(&reason) {
        // No segment is to blame: only this follows the reason, which ends in "(os error N)".
        let all = ")\nPossible causes: a limit (`ipcs -lm`, `ulimit -v`), lack of memory.\n";
        run.check(run.stderr().ends_with(all), all);
    } else {
        let run = run.says(["4096 bytes", "`ipcrm -M 0x00000c4c`"]);
        run.says(["`ipcs -lm`", "sandbox"]);
    }
}

#[test]
fn a_segment_that_may_not_be_written_is_refused() {
    const CAP_IPC_OWNER: c_ulong = 15;

    isolated(|| {
        Segment::create(SIZE, 0o444);
        // SAFETY: prctl with this operation touches no memory. Its -1 passes: ordinary users lack the right anyway.
        let mut unprivileged = calling_first(program(BINARY), || unsafe {
            libc::prctl(libc::PR_CAPBSET_DROP, CAP_IPC_OWNER).max(0)
        });
        cannot_attach(Run::of(unprivileged.arg("-g")), "shmget", libc::EACCES);
    });
}

#[test]
fn a_smaller_segment_is_refused() {
    isolated(|| {
        let segment = Segment::create(SIZE - 1, 0o666);
        cannot_attach(shmcli(["-p", "x"]), "shmget", libc::EINVAL);
        segment.holds(&[0; SIZE - 1]);
    });
}

#[test]
fn a_segment_that_is_removed_again_and_again_is_given_up() {
    isolated(|| {
        let run = Started::traced(&["-g"]);
        let mut tries = 0;
        while run.makes(libc::SYS_shmget) {
            Segment::existing().remove().expect("it can be removed");
            tries += 1;
            assert!(tries < 5000, "it is not given up");
        }
        cannot_attach(run.wait(), "shmat", libc::EINVAL);
    });
}

/// Lowers this test's limit on shared memory. In place, its thread has the process's namespace, with other programs.
fn lower_limit(name: &str, limit: usize) {
    if fs::read_link("/proc/self/ns/ipc").ok() == fs::read_link(NAMESPACE).ok() {
        skip("in place, a lower limit would hit other programs");
    }
    if let Err(error) = fs::write(format!("/proc/sys/kernel/{name}"), limit.to_string()) {
        skip(&format!("kernel.{name} cannot be lowered: {error}"));
    }
}

#[test]
fn a_limit_on_shared_memory_is_told() {
    isolated(|| {
        lower_limit("shmmni", 0);
        cannot_attach(shmcli(["-g"]), "shmget", libc::ENOSPC);
        lower_limit("shmmax", SIZE - 1); // checked before shmmni
        cannot_attach(shmcli(["-g"]), "shmget", libc::EINVAL);
    });
}

#[test]
fn a_sandbox_or_lack_of_memory_may_forbid_the_segment() {
    isolated(|| {
        for reason in [libc::EPERM, libc::ENOSYS, libc::EINVAL, libc::ENOMEM] {
            for (number, call) in [(libc::SYS_shmget, "shmget"), (libc::SYS_shmat, "shmat")] {
                let mut command = command_with_denied(number, reason);
                cannot_attach(Run::of(command.arg("-g")), call, reason);
            }
        }
    });
}
