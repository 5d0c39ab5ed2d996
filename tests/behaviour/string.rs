//! What is stored, what is printed, and what becomes of the segment.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use crate::support::*;

#[test]
fn a_string_goes_from_one_run_to_the_next() {
    isolated(|| {
        shmcli(["-p", "hello"]).prints("");
        shmcli(["-g"]).prints("hello\n");
        shmcli(["-g"]).prints("hello\n");
        shmcli(["-p", "and newlines\n\n"]).prints("");
        shmcli(["-g"]).prints("and newlines\n\n\n");
    });
}

#[test]
fn flags_act_in_the_order_given() {
    isolated(|| {
        shmcli(["-p", "a", "-g", "-p", "b", "-g"]).prints("a\nb\n");
        shmcli(["-g", "-p", "c", "-p", "d", "-g", "-g"]).prints("b\nd\nd\n");
    });
}

#[test]
fn without_flags_the_segment_is_created_and_nothing_printed() {
    isolated(|| {
        Run::of(&mut program(BINARY)).prints("");
        Segment::existing().holds(&[0; SIZE]);
        shmcli(["-g"]).prints("\n");
    });
}

#[test]
fn the_segment_is_open_to_every_user_under_any_umask() {
    isolated(|| {
        for umask in [0, 0o022, 0o777] {
            // SAFETY: umask touches no memory. It returns the old mask, never -1.
            let mut command =
                calling_first(program(BINARY), move || unsafe { libc::umask(umask) as _ });
            Run::of(command.args(["-p", "x"])).prints("");
            let segment = Segment::existing();
            let status = segment.status().expect("it can be read");
            let got = (status.shm_perm.mode & 0o777, status.shm_segsz);
            assert_eq!(got, (0o666, SIZE), "umask {umask:o}");
            segment.remove().expect("it can be removed");
        }
    });
}

#[test]
fn a_text_and_a_nul_are_stored_and_the_bytes_after_stay() {
    isolated(|| {
        let segment = Segment::holding(b"old text");
        shmcli(["-p", "new"]).prints("");
        let mut expected = [b'z'; SIZE];
        expected[..8].copy_from_slice(b"new\0text");
        segment.holds(&expected);

        shmcli(["-p", ""]).prints("");
        expected[0] = 0;
        segment.holds(&expected);
    });
}

#[test]
fn the_longest_text_fills_the_segment_and_may_hold_every_byte_but_nul() {
    isolated(|| {
        let text: Vec<u8> = (1..=255).cycle().take(SIZE - 1).collect();
        let arg = OsString::from_vec(text.clone());
        shmcli(["-p".into(), arg, "-g".into()]).prints([&text[..], b"\n"].concat());
        let stored = [&text[..], b"\0"].concat();
        Segment::existing().holds(&stored);
    });
}

#[test]
fn without_a_nul_the_first_4096_bytes_are_the_string_also_of_a_larger_segment() {
    isolated(|| {
        for size in [SIZE, 2 * SIZE] {
            let segment = Segment::create(size, 0o666);
            let mut bytes = vec![b'z'; size];
            segment.write(&bytes);
            shmcli(["-g"]).prints([&[b'z'; SIZE][..], b"\n"].concat());
            shmcli(["-p", "x", "-g"]).prints("x\n");
            bytes[..2].copy_from_slice(b"x\0");
            segment.holds(&bytes);
            segment.remove().expect("it can be removed");
        }
    });
}
