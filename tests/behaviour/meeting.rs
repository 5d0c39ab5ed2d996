//! Runs that meet on the segment: none sees another's work half done.

use crate::support::*;

/// A text of full length that no other number gives: the number, filled up with the letter x.
fn long_text(number: usize) -> String {
    format!("{number:x<width$}", width = SIZE - 1)
}

/// Starts runs with these command lines without waiting, and returns them in this order when all have ended.
fn storm(lines: impl Iterator<Item = String>) -> Vec<Run> {
    let start = |line: String| Started::of(program(BINARY).args(line.split(' ')));
    let started: Vec<Started> = lines.map(start).collect();
    started.into_iter().map(Started::wait).collect()
}

#[test]
fn all_flags_of_a_run_are_carried_out_with_no_other_run_in_between() {
    const GETS: usize = 100;

    isolated(|| {
        let line = |number| format!("-p {} -{}", long_text(number), "g".repeat(GETS));
        for (number, run) in storm((0..10).map(line)).into_iter().enumerate() {
            run.prints((long_text(number) + "\n").repeat(GETS));
        }
    });
}

#[test]
fn of_many_swaps_at_once_each_text_is_read_by_exactly_one() {
    const SWAPS: usize = 40;

    isolated(|| {
        shmcli(["-p", &long_text(SWAPS)]).prints("");
        let mut runs = storm((0..SWAPS).map(|number| format!("-g -p {}", long_text(number))));
        runs.push(shmcli(["-g"]));
        for number in 0..=SWAPS {
            let line = long_text(number) + "\n";
            let readers = runs
                .iter()
                .filter(|run| run.output.stdout == line.as_bytes());
            assert_eq!(readers.count(), 1, "runs that read text {number}");
        }
    });
}

/// Two texts short enough to step through.
const OLD: &str = "old text";
const NEW: &str = "new";

/// A put of [`NEW`] over [`OLD`] that has attached the segment, and stored nothing yet.
fn put_of_new() -> (Started, Segment) {
    shmcli(["-p", OLD]).prints("");
    let put = Started::traced(&["-p", NEW]);
    assert!(put.makes(libc::SYS_shmat));
    (put, Segment::existing())
}

#[test]
fn a_put_has_the_lock_and_shows_no_half_written_text() {
    isolated(|| {
        let (put, segment) = put_of_new();
        let mut seen = vec![segment.string()];
        while put.has_segment() {
            // Only an exclusive lock keeps out a shared one.
            let taken = lock(NAMESPACE, libc::LOCK_SH | libc::LOCK_NB);
            assert!(taken.is_err(), "another run could get the lock");
            seen.push(segment.string());
            seen.dedup();
            assert!(put.step(), "a put ends before it has detached the segment");
        }
        assert_eq!(seen, [OLD, "", NEW]);
        while put.step() {} // or it would stay stopped
        put.wait().prints("");
    });
}

/// What a killed put leaves is what the test above has seen after each instruction.
#[test]
fn a_put_killed_halfway_leaves_an_empty_string_and_no_lock() {
    isolated(|| {
        let (put, segment) = put_of_new();
        while segment.string() == OLD {
            assert!(put.step(), "a put ends before it has stored anything");
        }
        put.signal(libc::SIGKILL);
        put.wait();
        shmcli(["-g"]).prints("\n");
    });
}

#[test]
fn a_segment_removed_before_it_is_attached_is_created_anew() {
    isolated(|| {
        let run = Started::traced(&["-p", "x", "-g"]);
        for _ in 0..20 {
            assert!(run.makes(libc::SYS_shmget));
            Segment::existing().remove().expect("it can be removed");
        }
        assert!(run.makes(libc::SYS_shmget));
        assert!(!run.makes(libc::SYS_shmget), "it gets it once more");
        run.wait().prints("x\n");
        assert_eq!(Segment::existing().string(), "x");
    });
}
