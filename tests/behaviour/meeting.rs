//! Runs that meet on the segment: none sees another's work half done.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::place::isolated;
use crate::support::segment::{SIZE, Segment};
use crate::support::shmcli::{Run, command, shmcli, storm};
use crate::support::shown::shown;
use crate::support::trace::Traced;

/// A text that takes hundreds of instructions to store, and not too many to stop after each.
const LENGTH: usize = 100;

/// A text of full length that no other number gives.
fn long_text(number: usize) -> String {
    format!("{number:x<0$}", SIZE - 1)
}

#[test]
fn no_string_is_torn() {
    const WRITERS: usize = 16;
    const READERS: usize = 16;
    const TIME: Duration = Duration::from_secs(2);

    isolated(|| {
        let texts: BTreeSet<Vec<u8>> = (0..WRITERS)
            .map(|writer| (long_text(writer) + "\n").into())
            .collect();
        shmcli(["-p", &long_text(0)]).prints("");
        let end = Instant::now() + TIME;
        storm(WRITERS + READERS, |number| {
            while Instant::now() < end {
                if number < WRITERS {
                    shmcli(["-p", &long_text(number)]).prints("");
                } else {
                    let run = shmcli(["-g"]);
                    assert!(
                        texts.contains(run.stdout()),
                        "{run}\n  expected: one of the texts that are put"
                    );
                }
            }
        });
    });
}

#[test]
fn all_flags_of_a_run_are_carried_out_with_no_other_run_in_between() {
    const RUNS: usize = 60;
    const GETS: usize = 250;

    isolated(|| {
        storm(RUNS, |number| {
            let text = long_text(number);
            let gets = format!("-{}", "g".repeat(GETS));
            shmcli(["-p", &text, &gets]).prints((text.clone() + "\n").repeat(GETS));
        });
    });
}

#[test]
fn a_get_after_a_put_prints_its_text() {
    isolated(|| {
        storm(8, |thread| {
            for round in 0..100 {
                let text = format!("{thread} {round}");
                shmcli(["-p", &text, "-g"]).prints(text + "\n");
            }
        });
    });
}

#[test]
fn parallel_swaps_lose_and_double_nothing() {
    const RUNS: usize = 600;

    isolated(|| {
        let got_by = |run: &Run| String::from_utf8_lossy(run.stdout()).trim_end().to_owned();
        shmcli(["-p", &long_text(RUNS)]).prints("");
        let mut got = storm(RUNS, |number| {
            got_by(&shmcli(["-g", "-p", &long_text(number)]))
        });
        got.push(got_by(&shmcli(["-g"])));
        let wrong = (0..=RUNS)
            .map(long_text)
            .filter(|text| got.iter().filter(|&got| got == text).count() != 1);
        assert_eq!(
            wrong.count(),
            0,
            "texts of {RUNS} were not got by exactly one run each"
        );
    });
}

#[test]
fn a_put_is_never_between_two_texts() {
    isolated(|| {
        let old = "o".repeat(LENGTH);
        let new = "n".repeat(LENGTH / 2);
        shmcli(["-p", &old]).prints("");
        let put = Traced::put_in_its_turn(command(), &new);
        let segment = Segment::existing();
        let view = segment.attach();
        let mut seen = vec![old.clone().into_bytes()];
        // Until only the view of this test is attached.
        while segment.attached() == 2 {
            let string = view.string();
            if seen.last() != Some(&string) {
                seen.push(string);
            }
            assert!(put.step(), "a put ends before it has detached the segment");
        }
        assert_eq!(seen, [old.as_bytes(), b"", new.as_bytes()]);
        put.finish().prints("");
    });
}

#[test]
fn a_killed_put_leaves_a_whole_text_and_the_turn_to_others() {
    const POINTS: usize = 20;

    isolated(|| {
        let old = "o".repeat(LENGTH);
        let new = "n".repeat(LENGTH / 2);
        let whole = ["", &old, &new].map(|text| format!("{text}\n").into_bytes());
        shmcli(["-p", &old]).prints("");
        let segment = Segment::existing();
        let put = Traced::put_in_its_turn(command(), &new);
        let steps = (0..)
            .take_while(|_| segment.attached() == 1 && put.step())
            .count();
        put.finish().prints("");

        for point in 0..POINTS {
            shmcli(["-p", &old]).prints("");
            let put = Traced::put_in_its_turn(command(), &new);
            for _ in 0..steps * point / (POINTS - 1) {
                put.step();
            }
            put.kill();
            assert_eq!(segment.attached(), 0);
            // A turn that is free is taken without a pause.
            let next = Traced::shmcli(["-g"]);
            let calls = next.calls();
            assert!(
                !calls.contains(&"sleep"),
                "after a killed run, the next one makes the calls {calls:?}"
            );
            let left = next.ended().stdout().to_vec();
            assert!(
                whole.contains(&left),
                "killed at {point} of {POINTS}, a put left {}",
                shown(&left)
            );
        }
    });
}

#[test]
fn a_segment_removed_before_it_is_attached_is_made_anew() {
    isolated(|| {
        let run = Traced::shmcli(["-p", "x", "-g"]);
        run.runs_through("shmget");
        Segment::existing().remove();
        run.finish().prints("x\n");
        assert_eq!(Segment::existing().string(), b"x");
    });
}

#[test]
fn a_segment_removed_once_it_is_attached_is_used_to_the_end() {
    isolated(|| {
        let run = Traced::shmcli(["-p", "x", "-g"]);
        run.runs_through("shmat");
        Segment::existing().remove();
        run.finish().prints("x\n");
        assert!(Segment::find().is_none(), "a run makes no second segment");
    });
}

/// Makes runs while this is done to the segment again and again.
fn while_again_and_again(disturb: impl Fn() + Sync, run: impl Fn(usize) + Sync) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                disturb();
            }
        });
        let result = scope.spawn(|| (0..1500).for_each(&run)).join();
        done.store(true, Ordering::Relaxed);
        result.expect("each run does what it should");
    });
}

#[test]
fn runs_succeed_while_the_segment_is_removed_again_and_again() {
    isolated(|| {
        let remove = || {
            if let Some(segment) = Segment::find() {
                segment.remove();
            }
        };
        while_again_and_again(remove, |number| {
            let text = format!("text {number}");
            shmcli(["-p", &text, "-g"]).prints(text + "\n");
        });
    });
}

#[test]
fn runs_blame_nothing_else_while_a_too_small_segment_is_made_and_removed() {
    isolated(|| {
        let make_and_remove = || {
            if let Some(segment) = Segment::find_or_create(SIZE - 1) {
                segment.remove();
            }
        };
        while_again_and_again(make_and_remove, |_| {
            let run = shmcli(["-p", "x", "-g"]);
            if run.status().success() {
                run.prints("x\n");
            } else {
                run.fails(255).says("is smaller than 4096 bytes");
            }
        });
    });
}
