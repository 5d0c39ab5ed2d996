//! Runs that meet on the segment: none sees another's work half done.

use std::thread;

use crate::support::*;

/// A text of full length that no other number gives.
fn long_text(number: usize) -> String {
    format!("{number:x<width$}", width = SIZE - 1)
}

/// Calls the action with each number below `times`, all at once, and returns the results in this order.
fn storm<T: Send>(times: usize, action: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let action = &action;
    thread::scope(|scope| {
        let start = |number| scope.spawn(move || action(number));
        let threads: Vec<_> = (0..times).map(start).collect();
        let results = threads.into_iter().map(|thread| thread.join());
        results.map(|result| result.expect("it succeeds")).collect()
    })
}

#[test]
fn all_flags_of_a_run_are_carried_out_with_no_other_run_in_between() {
    const RUNS: usize = 10;
    const GETS: usize = 100;

    isolated(|| {
        storm(RUNS, |number| {
            let text = long_text(number);
            let gets = format!("-{}", "g".repeat(GETS));
            shmcli(["-p", &text, &gets]).prints((text.clone() + "\n").repeat(GETS));
        });
    });
}

#[test]
fn of_many_swaps_at_once_each_text_is_read_by_exactly_one() {
    const SWAPS: usize = 40;

    isolated(|| {
        shmcli(["-p", &long_text(SWAPS)]).prints("");
        let swap = |number| shmcli(["-g", "-p", &long_text(number)]).stdout().to_vec();
        let mut read = storm(SWAPS, swap);
        read.push(shmcli(["-g"]).stdout().to_vec());
        read.sort();
        let texts = (0..=SWAPS).map(|number| (long_text(number) + "\n").into_bytes());
        let mut texts: Vec<Vec<u8>> = texts.collect();
        texts.sort();
        assert!(read == texts, "a text is lost or read twice");
    });
}

/// Two texts short enough to step through.
const OLD: &str = "old text";
const NEW: &str = "new";

/// A put of [`NEW`] over [`OLD`] that has attached the segment, and stored nothing yet.
fn put_of_new() -> (Traced, Segment) {
    shmcli(["-p", OLD]).prints("");
    let put = Traced::shmcli(["-p", NEW]);
    assert!(put.makes(&[libc::SYS_shmat]).is_some());
    (put, Segment::existing())
}

#[test]
fn a_put_has_the_lock_and_shows_no_half_written_text() {
    isolated(|| {
        let (put, segment) = put_of_new();
        let mut seen = vec![segment.string()];
        while segment.status().shm_nattch == 1 {
            let lock = Lock::take(NAMESPACE, libc::LOCK_SH | libc::LOCK_NB);
            assert!(lock.is_err(), "another run could get the lock");
            seen.push(segment.string());
            seen.dedup();
            assert!(put.step(), "a put ends before it has detached the segment");
        }
        let seen: Vec<String> = seen.iter().map(|string| shown(string)).collect();
        assert_eq!(seen, [OLD, "", NEW].map(|text| shown(text.as_bytes())));
        put.finish().prints("");
    });
}

#[test]
fn a_killed_put_leaves_a_whole_text_and_no_lock() {
    const POINTS: usize = 20;

    isolated(|| {
        let (put, segment) = put_of_new();
        let mut steps = 0;
        while segment.status().shm_nattch == 1 && put.step() {
            steps += 1;
        }
        put.finish().prints("");

        for point in 0..POINTS {
            let (put, _) = put_of_new();
            for _ in 0..steps * point / (POINTS - 1) {
                assert!(put.step(), "a put ends before it has detached the segment");
            }
            put.kill();
            assert_eq!(segment.status().shm_nattch, 0);
            let left = segment.string();
            let is_whole = [b"", OLD.as_bytes(), NEW.as_bytes()].contains(&&left[..]);
            let left_text = shown(&left);
            assert!(
                is_whole,
                "killed at {point} of {POINTS}, it left {left_text}"
            );
            shmcli(["-g"]).prints([&left[..], b"\n"].concat());
        }
    });
}

#[test]
fn a_segment_removed_before_it_is_attached_is_created_anew() {
    isolated(|| {
        let run = Traced::shmcli(["-p", "x", "-g"]);
        for _ in 0..20 {
            assert!(run.makes(&[libc::SYS_shmget]).is_some());
            Segment::existing().remove().expect("it can be removed");
        }
        run.finish().prints("x\n");
        assert_eq!(Segment::existing().string(), b"x");
    });
}
