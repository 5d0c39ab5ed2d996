//! Runs that meet on the segment.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::sandbox::isolated;
use crate::support::segment::{SIZE, Segment};
use crate::support::shmcli::{Run, shmcli};
use crate::support::trace::Traced;

/// A text that takes thousands of instructions to store, and not too many to stop after each.
const LENGTH: usize = 100;

/// Starts a put, and stops it when it has the segment alone.
fn put_that_has_begun(text: &str) -> Traced {
    let run = Traced::shmcli(["-p", text]);
    assert!(run.runs_through(libc::SYS_shmat));
    assert!(run.runs_through(libc::SYS_shmctl));
    run
}

/// A run that is ended, and so fails, if it takes far longer than any should.
fn does_not_hang(args: &[&str]) -> Run {
    let binary = env!("CARGO_BIN_EXE_shmcli");
    Run::of(Command::new("timeout").args(["60", binary]).args(args))
}

#[test]
fn no_string_is_torn() {
    const WRITERS: usize = 16;
    const READERS: usize = 16;
    const TIME: Duration = Duration::from_secs(4);

    isolated(|| {
        let text_of = |writer: usize| char::from(b'a' + writer as u8).to_string().repeat(SIZE - 1);
        shmcli(["-p", &text_of(0)]).prints("");
        let texts: BTreeSet<Vec<u8>> = (0..WRITERS)
            .map(|writer| (text_of(writer) + "\n").into())
            .collect();
        let end = Instant::now() + TIME;
        thread::scope(|scope| {
            for writer in 0..WRITERS {
                scope.spawn(move || {
                    let text = text_of(writer);
                    while Instant::now() < end {
                        shmcli(["-p", &text]).prints("");
                    }
                });
            }
            for _ in 0..READERS {
                scope.spawn(|| {
                    while Instant::now() < end {
                        let run = shmcli(["-g"]);
                        assert!(
                            texts.contains(run.stdout()),
                            "torn: {}",
                            run.stdout().escape_ascii()
                        );
                    }
                });
            }
        });
    });
}

#[test]
fn a_get_after_a_put_prints_its_text() {
    isolated(|| {
        thread::scope(|scope| {
            for thread in 0..8 {
                scope.spawn(move || {
                    for round in 0..100 {
                        let text = format!("{thread} {round}");
                        shmcli(["-p", &text, "-g"]).prints(text + "\n");
                    }
                });
            }
        });
    });
}

#[test]
fn parallel_swaps_lose_and_double_nothing() {
    const THREADS: usize = 8;
    const ROUNDS: usize = 150;

    isolated(|| {
        let token_of = |thread, round| format!("token {thread} {round}");
        shmcli(["-p", "first"]).prints("");
        let mut got: Vec<String> = thread::scope(|scope| {
            let swappers: Vec<_> = (0..THREADS)
                .map(|thread| {
                    scope.spawn(move || {
                        let swap = |round| {
                            let run = shmcli(["-g", "-p", &token_of(thread, round)]);
                            String::from_utf8_lossy(run.stdout()).trim_end().to_owned()
                        };
                        (0..ROUNDS).map(swap).collect::<Vec<_>>()
                    })
                })
                .collect();
            swappers
                .into_iter()
                .flat_map(|swapper| swapper.join().expect("swaps work"))
                .collect()
        });
        got.push(String::from_utf8_lossy(&Segment::existing().string()).into_owned());

        let tokens =
            (0..THREADS).flat_map(|thread| (0..ROUNDS).map(move |round| token_of(thread, round)));
        let mut put: Vec<String> = tokens.chain(["first".to_owned()]).collect();
        put.sort_unstable();
        got.sort_unstable();
        assert_eq!(got, put);
    });
}

#[test]
fn a_put_is_never_between_two_texts() {
    isolated(|| {
        let old = "o".repeat(LENGTH);
        let new = "n".repeat(LENGTH / 2);
        shmcli(["-p", &old]).prints("");
        let put = put_that_has_begun(&new);
        let segment = Segment::existing();
        let view = segment.attach();
        let mut seen = vec![old.clone().into_bytes()];
        // Until only the view of this test is attached.
        while segment.attached() == 2 {
            let string = view.string();
            if seen.last() != Some(&string) {
                seen.push(string);
            }
            assert!(put.step());
        }
        assert_eq!(seen, [old.as_bytes(), b"", new.as_bytes()]);
        put.finish().prints("");
    });
}

#[test]
fn a_killed_put_leaves_a_whole_text_and_nothing_attached() {
    const POINTS: usize = 20;

    isolated(|| {
        let old = "o".repeat(LENGTH);
        let new = "n".repeat(LENGTH / 2);
        shmcli(["-p", &old]).prints("");
        let segment = Segment::existing();
        let whole = put_that_has_begun(&new);
        let steps = (0..)
            .take_while(|_| segment.attached() == 1 && whole.step())
            .count();
        whole.finish().prints("");

        for point in 0..POINTS {
            shmcli(["-p", &old]).prints("");
            let put = put_that_has_begun(&new);
            for _ in 0..steps * point / (POINTS - 1) {
                put.step();
            }
            put.kill();
            assert_eq!(segment.attached(), 0);
            let string = segment.string();
            assert!(
                [old.as_bytes(), new.as_bytes(), b""].contains(&&string[..]),
                "killed at {point} of {POINTS}, a put left {}",
                string.escape_ascii()
            );
        }
    });
}

#[test]
fn a_segment_removed_before_it_is_attached_is_made_anew() {
    isolated(|| {
        let run = Traced::shmcli(["-p", "x", "-g"]);
        assert!(run.runs_through(libc::SYS_shmget));
        Segment::existing().remove();
        run.finish().prints("x\n");
        assert_eq!(Segment::existing().string(), b"x");
    });
}

#[test]
fn a_segment_removed_once_it_is_attached_is_used_to_the_end() {
    isolated(|| {
        let run = put_that_has_begun("x");
        Segment::existing().remove();
        run.finish().prints("");
        assert!(Segment::find().is_none());
    });
}

#[test]
fn runs_succeed_while_the_segment_is_removed_again_and_again() {
    isolated(|| {
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    if let Some(segment) = Segment::find() {
                        segment.remove();
                    }
                }
            });
            let runs = scope.spawn(|| {
                for number in 0..1500 {
                    let text = format!("text {number}");
                    shmcli(["-p", &text, "-g"]).prints(text + "\n");
                }
            });
            let result = runs.join();
            done.store(true, Ordering::Relaxed);
            result.expect("each run prints its text");
        });
    });
}

#[test]
fn a_program_that_stays_attached_stops_no_run() {
    isolated(|| {
        let view = Segment::create(SIZE, 0o666).attach();
        does_not_hang(&["-p", "x", "-g"]).prints("x\n");
        assert_eq!(view.string(), b"x");
    });
}

#[test]
fn a_run_that_was_stopped_in_the_middle_stops_no_other() {
    isolated(|| {
        let stopped = put_that_has_begun("of a stopped run");
        does_not_hang(&["-p", "x", "-g"]).prints("x\n");
        stopped.finish().prints("");
        shmcli(["-g"]).prints("of a stopped run\n");
    });
}

#[test]
fn a_run_waits_for_another_to_end() {
    isolated(|| {
        let first = put_that_has_begun("first");
        let second = Traced::shmcli(["-g"]);
        // It sees that it is not alone, and does not attach.
        assert!(second.runs_through(libc::SYS_shmctl));
        first.finish().prints("");
        second.finish().prints("first\n");
    });
}

#[test]
fn a_run_alone_asks_for_little_and_makes_nothing_else() {
    isolated(|| {
        let of_system_v = [
            (libc::SYS_shmget, "shmget"),
            (libc::SYS_shmat, "shmat"),
            (libc::SYS_shmctl, "shmctl"),
            (libc::SYS_shmdt, "shmdt"),
            (libc::SYS_semget, "semget"),
            (libc::SYS_msgget, "msgget"),
        ];
        let run = Traced::shmcli(["-p", "x", "-g"]);
        let calls = run.calls();
        let names: Vec<_> = calls
            .iter()
            .filter_map(|call| of_system_v.iter().find(|(number, _)| number == call))
            .map(|(_, name)| *name)
            .collect();
        assert_eq!(names, ["shmget", "shmctl", "shmat", "shmctl", "shmdt"]);
        // A dynamic linker opens files before that.
        let mut after_shmget = calls.iter().skip_while(|&&call| call != libc::SYS_shmget);
        assert!(!after_shmget.any(|&call| call == libc::SYS_openat));
        run.ended().prints("x\n");
    });
}
