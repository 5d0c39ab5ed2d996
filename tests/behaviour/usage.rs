//! Usage errors touch nothing, and neither do `--help` and `--version`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::support::*;

const TIP_ON_FLAGS: &str = "The flags are -p TEXT, -g, -h and -V";
const TIP_ON_TEXTS: &str = "Store a text with -p";

/// These words are refused, with and without a segment, also after flags that are fine.
#[track_caller]
fn refused(words: &[&str]) -> Run {
    let after_others = [&["-p", "new", "-g"], words].concat();
    shmcli(words).fails(2);
    shmcli(&after_others).fails(2);
    assert!(Segment::find().is_none(), "{words:?} made a segment");

    let segment = Segment::holding(b"old");
    let before = segment.bytes();
    let run = shmcli(words).fails(2);
    shmcli(&after_others).fails(2);
    let what = format!("the segment after {words:?}");
    expect_bytes(&what, &segment.bytes(), &before);
    segment.remove().expect("it can be removed");
    run
}

#[test]
fn unknown_flags_are_refused_with_a_tip_on_the_flags() {
    isolated(|| {
        // Of flags that are joined, the wrong one is named.
        let words =
            "-x -gx:-x -xp:-x -xptext:-x -get:-e -g=x:-= -P -é --x --- --g --pu --putt=x:--putt -";
        for word in words.split(' ') {
            let (word, named) = word.split_once(':').unwrap_or((word, word));
            let said = refused(&[word]).says(&format!("unexpected argument \"{named}\"\n"));
            said.says(TIP_ON_FLAGS).does_not_say(TIP_ON_TEXTS);
        }
    });
}

#[test]
fn operands_are_refused_with_a_tip_on_texts() {
    isolated(|| {
        for line in ["hello", "-p x hello", "hello -g", "-g -- hello"] {
            let words: Vec<&str> = line.split(' ').collect();
            let said = refused(&words).says("unexpected argument \"hello\"");
            said.says(TIP_ON_TEXTS).does_not_say(TIP_ON_FLAGS);
        }
        for words in [&[""][..], &["--", "-g"], &["--", "--"], &["--", "-p", "x"]] {
            refused(words).says("unexpected argument");
        }
    });
}

#[test]
fn a_put_without_a_text_is_refused_with_a_tip_on_the_empty_one() {
    isolated(|| {
        for words in [&["-p"][..], &["--put"], &["-gp"], &["-p", "x", "-p"]] {
            refused(words).says("-p needs a text").says("`-p ''`");
        }
    });
}

#[test]
fn a_value_of_another_flag_is_refused_and_not_repeated() {
    isolated(|| {
        for flag in ["--get", "--help", "--version"] {
            for value in ["zz", "", "\u{1b}zz"] {
                let said = refused(&[&format!("{flag}={value}")]);
                let said = said.says(&format!("shmcli: {flag} takes no value\n"));
                said.does_not_say("zz").says(TIP_ON_FLAGS);
            }
        }
    });
}

#[test]
fn a_text_that_is_too_long_is_refused_and_not_repeated() {
    isolated(|| {
        for length in [SIZE, SIZE + 1, 100_000] {
            let text = "x".repeat(length);
            let (joined, long) = (format!("-p{text}"), format!("--put={text}"));
            for words in [&["-p", &text][..], &[&joined], &[&long]] {
                let said = refused(words).says(&format!("{length} bytes"));
                said.says("4095").does_not_say("xx");
            }
        }
    });
}

#[test]
fn refused_words_are_cut_and_control_characters_escaped() {
    isolated(|| {
        let message = |word: &[u8]| shmcli([OsStr::from_bytes(word)]).fails(2);
        message(b"\x1b[31mred").says(r"\u{1b}[31mred");
        message(b"a\nshmcli: b").says(r"a\nshmcli: b");
        message("\u{202e}abc".as_bytes()).says(r"\u{202e}abc");
        message("привет".as_bytes()).says("привет");
        message(b"--\xff").says("unexpected argument \"--\u{fffd}\"\n");
        for char in ["x", "宽"] {
            for (length, cut) in [(23, ""), (24, "..."), (30_000, "...")] {
                let said = message(char.repeat(length).as_bytes());
                said.says(&format!(" \"{}\"{cut}\n", char.repeat(23)));
            }
        }
    });
}

#[test]
fn help_says_how_the_program_is_used_and_what_its_statuses_promise() {
    const PARTS: &str = "\
through System V shared memory\n;Usage: shmcli [-p <TEXT> | -g]...\n\nOptions:;-p, --put <TEXT>;4095 bytes\n;-g, --get;\
from left to right;literally;-p '' empties;shmcli -p hello;value=$(shmcli -g);old=$(shmcli -g -p \"$new\");\
\n  0    every flag was carried out, or help;\n  1    write error;-p stored stays stored\n;\
\n  2    usage error: nothing was touched\n;\n  255  could not get the lock;no flag was carried out\n";

    isolated(|| {
        let too_long = ["-p", &"x".repeat(SIZE), "-h", "operand"];
        for words in [
            &["-h"][..],
            &["--help"],
            &["-gh"],
            &["-hx"],
            &["-hptext"],
            &too_long,
        ] {
            let run = shmcli(words);
            let help = String::from_utf8_lossy(run.stdout()).into_owned();
            for part in PARTS.split(';') {
                run.check(help.contains(part), part);
            }
            let narrow = help.lines().all(|line| line.len() <= 80);
            run.check(narrow, "lines of up to 80 columns");
            run.prints(help);
        }
        assert!(Segment::find().is_none());
    });
}

#[test]
fn version_is_the_package_version() {
    isolated(|| {
        for words in [
            &["-V"][..],
            &["-Vptext"],
            &["--version"],
            &["-p", "x", "-V"],
        ] {
            shmcli(words).prints(concat!("shmcli ", env!("CARGO_PKG_VERSION"), "\n"));
        }
        assert!(Segment::find().is_none());
    });
}
