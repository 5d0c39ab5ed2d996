//! Usage errors touch nothing, and neither do `--help` and `--version`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::support::*;

const TIP_ON_FLAGS: &str = "The flags are -p TEXT, -g, -h and -V";
const TIP_ON_TEXTS: &str = "Store a text with -p";

/// This line, whose words have no spaces, is refused, with and without a segment, also after flags that are fine.
#[track_caller]
fn refused(line: &str) -> Run {
    let after_others = format!("-p new -g {line}");
    let both = || [line, &after_others].map(|line| shmcli(line.split(' ')).fails(2));
    both();
    assert!(Segment::find().is_none(), "{line} made a segment");

    let segment = Segment::holding(b"old");
    let before = segment.bytes();
    let [run, _] = both();
    expect_bytes("the segment", &segment.bytes(), &before);
    segment.remove().expect("it can be removed");
    run
}

#[test]
fn unknown_flags_are_refused_with_a_tip_on_the_flags() {
    // Of flags that are joined, the wrong one is named.
    const JOINED: &str = "-gx:-x -xp:-x -xptext:-x -get:-e -g=x:-= -g-:-- --putt=x:--putt";

    isolated(|| {
        let alone = "-x -P -é --x --- --g --pu --putt -".split(' ');
        for word in alone.chain(JOINED.split(' ')) {
            let (word, named) = word.split_once(':').unwrap_or((word, word));
            let said = refused(word).says(&format!("unexpected argument \"{named}\"\n"));
            said.says(TIP_ON_FLAGS).does_not_say(TIP_ON_TEXTS);
        }
    });
}

#[test]
fn operands_are_refused_with_a_tip_on_texts() {
    isolated(|| {
        for line in ["hello", "-p x hello", "hello -g", "-g -- hello"] {
            let said = refused(line).says("unexpected argument \"hello\"");
            said.says(TIP_ON_TEXTS).does_not_say(TIP_ON_FLAGS);
        }
        for line in ["", "-- -g", "-- --", "-- -p x"] {
            refused(line).says("unexpected argument");
        }
    });
}

#[test]
fn a_put_without_a_text_is_refused_with_a_tip_on_the_empty_one() {
    isolated(|| {
        for line in ["-p", "--put", "-gp", "-p x -p"] {
            refused(line).says("-p needs a text|`-p ''`");
        }
    });
}

#[test]
fn a_value_of_another_flag_is_refused_and_not_repeated() {
    isolated(|| {
        for word in ["--get=zz", "--get=", "--help=zz", "--version=\u{1b}zz"] {
            let flag = word.split('=').next().unwrap_or_default();
            let said = refused(word).says(&format!("shmcli: {flag} takes no value\n"));
            said.does_not_say("zz").says(TIP_ON_FLAGS);
        }
    });
}

#[test]
fn a_text_that_is_too_long_is_refused_and_not_repeated() {
    isolated(|| {
        for length in [SIZE, SIZE + 1, 100_000] {
            for flag in ["-p ", "-p", "--put="] {
                let run = refused(&format!("{flag}{}", "x".repeat(length)));
                run.says(&format!("{length} bytes|4095")).does_not_say("xx");
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
        message(b"\xff\xfe").says("unexpected argument \"\u{fffd}\u{fffd}\"\n");
        message(b"-\xff").says("unexpected argument \"-\u{fffd}\"\n");
        let said = message(b"--\xff").says("unexpected argument \"--\u{fffd}\"\n");
        said.says(TIP_ON_FLAGS);
        for char in ["x", "宽"] {
            for (length, end) in [(23, "\""), (24, "..."), (30_000, "...")] {
                let said = message(char.repeat(length).as_bytes());
                said.says(&format!(" \"{}{end}\n", char.repeat(23)));
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
        let too_long = format!("-p {} -h operand", "x".repeat(SIZE));
        for line in ["-h", "--help", "-gh", "-hx", "-hptext", &too_long] {
            let run = shmcli(line.split(' '));
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
        for line in ["-V", "-Vptext", "--version", "-p x -V"] {
            let version = concat!("shmcli ", env!("CARGO_PKG_VERSION"), "\n");
            shmcli(line.split(' ')).prints(version);
        }
        assert!(Segment::find().is_none());
    });
}
