//! Runs that meet on the segment: none sees another's work half done.

use crate::support::*;

/// A text of full length that no other number gives.
fn long_text(number: usize) -> String {
    format!("{number:x<width$}", width = SIZE - 1)
}

/// Two texts short enough to step through.
fn old_and_new() -> [String; 2] {
    ["o".repeat(100), "n".repeat(50)]
}

#[test]
fn all_flags_of_a_run_are_carried_out_with_no_other_run_in_between() {
    const RUNS: usize = 30;
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
    const SWAPS: usize = 120;

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

#[test]
fn a_put_shows_no_half_written_text() {
    isolated(|| {
        let [old, new] = old_and_new();
        shmcli(["-p", &old]).prints("");
        let put = Traced::put_under_the_lock(command(), &new);
        let segment = Segment::existing();
        let mut seen = vec![segment.string()];
        while segment.attached() == 1 {
            seen.push(segment.string());
            seen.dedup();
            assert!(put.step(), "a put ends before it has detached the segment");
        }
        assert_eq!(seen, [old.as_bytes(), b"", new.as_bytes()]);
        put.finish().prints("");
    });
}

#[test]
fn a_killed_put_leaves_a_whole_text_and_no_lock() {
    const POINTS: usize = 20;

    isolated(|| {
        let [old, new] = old_and_new();
        shmcli(["-p", &old]).prints("");
        let segment = Segment::existing();
        let put = Traced::put_under_the_lock(command(), &new);
        let mut steps = 0;
        while segment.attached() == 1 && put.step() {
            steps += 1;
        }
        put.finish().prints("");

        for point in 0..POINTS {
            shmcli(["-p", &old]).prints("");
            let put = Traced::put_under_the_lock(command(), &new);
            for _ in 0..steps * point / (POINTS - 1) {
                put.step();
            }
            put.kill();
            assert_eq!(segment.attached(), 0);
            let left = segment.string();
            let is_whole = [b"", old.as_bytes(), new.as_bytes()].contains(&&left[..]);
            assert!(
                is_whole,
                "killed at {point} of {POINTS}, it left {}",
                shown(&left)
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
            run.runs_past(libc::SYS_shmget);
            Segment::existing().remove();
        }
        run.finish().prints("x\n");
        assert_eq!(Segment::existing().string(), b"x");
    });
}
