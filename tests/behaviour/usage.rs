//! Usage errors touch nothing, and neither do `--help` and `--version`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::support::*;

const USAGE: &str =
    "Usage: shmcli [-p <TEXT> | -g]... (quote a TEXT of several words; see shmcli -h)\n";

/// This line is refused where there is no segment, and after good flags where there is one. No word has a space.
#[track_caller]
fn refused(line: &str, problem: &str) {
    let message = format!("shmcli: {problem}\n{USAGE}");
    assert_eq!(shmcli(line.split(' ')).fails(2).stderr(), message);
    assert!(Segment::find().is_none());

    let segment = Segment::holding(b"old");
    let before = segment.bytes();
    let line = format!("-p new -g {line}");
    assert_eq!(shmcli(line.split(' ')).fails(2).stderr(), message);
    segment.holds(&before);
    segment.remove().expect("it can be removed");
}

/// This line is refused because of this word.
#[track_caller]
fn unexpected(line: &str, word: &str) {
    refused(line, &format!("unexpected argument \"{word}\""));
}

#[test]
fn unknown_flags_are_refused_and_named() {
    isolated(|| {
        for word in ["-x", "-P", "-é", "--x", "---", "--g", "--pu", "--putt"] {
            unexpected(word, word);
        }
        for word in ["-gx", "-xp", "-xptext"] {
            unexpected(word, "-x");
        }
        unexpected("-get", "-e");
        // A dash precedes the flag, also if that is `=` or `-`. A value is left out.
        unexpected("-g=x", "-=");
        unexpected("-g-", "--");
        unexpected("--putt=x", "--putt");
    });
}

#[test]
fn operands_are_refused_and_named() {
    isolated(|| {
        for line in ["hello", "-p x hello", "hello -g", "-g -- hello"] {
            unexpected(line, "hello");
        }
        unexpected("", "");
        unexpected("-", "-");
        unexpected("-- -p x", "-p");
        for word in ["-g", "--", "-ptext", "-p=x"] {
            unexpected(&format!("-- {word}"), word);
        }
    });
}

#[test]
fn a_put_without_a_text_is_refused() {
    isolated(|| {
        for line in ["-p", "--put", "-gp", "-p x -p"] {
            refused(line, "-p or --put needs a TEXT (-p '' stores an empty one)");
        }
    });
}

#[test]
fn a_value_of_another_flag_is_refused_and_not_repeated() {
    isolated(|| {
        for word in ["--get=zz", "--get=", "--help=zz", "--version=\u{1b}zz"] {
            let flag = word.split('=').next().unwrap_or_default();
            refused(word, &format!("{flag} takes no value"));
        }
    });
}

#[test]
fn a_text_that_is_too_long_is_refused_and_not_repeated() {
    isolated(|| {
        for length in [SIZE, SIZE + 1, 100_000] {
            for flag in ["-p ", "-p", "--put="] {
                let problem = format!("the text has {length} bytes; the limit is 4095");
                refused(&format!("{flag}{}", "x".repeat(length)), &problem);
            }
        }
    });
}

#[test]
fn refused_words_are_cut_and_unprintable_characters_escaped() {
    const LONGEST: usize = 23; // with escapes; fits a line of 80 columns if each character takes two

    isolated(|| {
        let names = |word: &[u8], named: &str| {
            let run = shmcli([OsStr::from_bytes(word)]).fails(2);
            run.says([format!("unexpected argument {named}\n{USAGE}")]);
        };
        names(b"\x1b[31mred", r#""\u{1b}[31mred""#);
        names(b"a\nshmcli: b", r#""a\nshmcli: b""#);
        names("\u{202e}abc".as_bytes(), r#""\u{202e}abc""#);
        names(b"\xff\xfe", "\"\u{fffd}\u{fffd}\"");
        names(b"-g\xffp=x", "\"-\u{fffd}p=x\""); // all from the invalid byte on
        names(b"--\xff", "\"--\u{fffd}\"");
        names(&b"\x1b".repeat(LONGEST), r#""\u{1b}\u{1b}\u{1b}"..."#);
        names(
            "\u{301}".repeat(LONGEST).as_bytes(),
            r#""\u{301}\u{301}\u{301}"..."#,
        );
        for char in ["x", "宽"] {
            let longest = char.repeat(LONGEST);
            names(longest.as_bytes(), &format!("\"{longest}\""));
            names(
                char.repeat(LONGEST + 1).as_bytes(),
                &format!("\"{longest}\"..."),
            );
        }
    });
}

#[test]
fn help_says_how_the_program_is_used_and_what_its_statuses_promise() {
    const PARTS: &[&str] = &[
        "through System V shared memory\n",
        "Usage: shmcli [-p <TEXT> | -g]...\n\nOptions:",
        "-p, --put <TEXT>  Store TEXT, of up to 4095 bytes\n",
        "-g, --get",
        "from left to right. TEXT is stored literally",
        "-p '' empties",
        "shmcli -p hello",
        "value=$(shmcli -g)",
        "old=$(shmcli -g -p \"$new\")",
        "\n  0    every flag was carried out, or help",
        "\n  1    write error: output may be incomplete; what -p stored stays stored\n",
        "\n  2    usage error: nothing was touched\n",
        "\n  255  could not get the lock or the segment: no flag was carried out\n",
    ];

    isolated(|| {
        let help = String::from_utf8(shmcli(["-h"]).output.stdout).expect("help is UTF-8");
        for part in PARTS {
            assert!(help.contains(part), "{part:?} is not in:\n{help}");
        }
        assert!(help.lines().all(|line| line.len() <= 80), "{help}");
        for line in ["-h", "--help", "-gh", "-hx", "-hptext", "-p x -h operand"] {
            shmcli(line.split(' ')).prints(&help);
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
