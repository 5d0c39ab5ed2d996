//! Usage errors touch nothing, and neither do `--help` and `--version`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::support::*;

const USAGE: &str = "Usage: shmcli [-p <TEXT> | -g]... ";

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
fn unknown_flags_are_refused_and_named() {
    let alone = ["-x", "-P", "-é", "--x", "---", "--g", "--pu", "--putt", "-"];
    // Of flags that are joined, the wrong one is named.
    let joined = [
        ("-gx", "-x"),
        ("-xp", "-x"),
        ("-xptext", "-x"),
        ("-get", "-e"),
        ("-g=x", "-="),
        ("-g-", "--"),
        ("--putt=x", "--putt"),
    ];

    isolated(move || {
        for (word, named) in alone.map(|word| (word, word)).into_iter().chain(joined) {
            refused(word).says([&*format!("unexpected argument \"{named}\"\n"), USAGE]);
        }
    });
}

#[test]
fn operands_are_refused_and_named() {
    isolated(|| {
        for line in ["hello", "-p x hello", "hello -g", "-g -- hello"] {
            refused(line).says(["unexpected argument \"hello\"\n", USAGE]);
        }
        for (line, named) in [
            ("", ""),
            ("-- -g", "-g"),
            ("-- --", "--"),
            ("-- -p x", "-p"),
            ("-- -ptext", "-ptext"),
            ("-- -p=x", "-p=x"),
        ] {
            refused(line).says([&*format!("unexpected argument \"{named}\"\n"), USAGE]);
        }
    });
}

#[test]
fn a_put_without_a_text_is_refused() {
    isolated(|| {
        for line in ["-p", "--put", "-gp", "-p x -p"] {
            refused(line).says(["-p needs a text (-p '' stores an empty one)\n", USAGE]);
        }
    });
}

#[test]
fn a_value_of_another_flag_is_refused_and_not_repeated() {
    isolated(|| {
        for word in ["--get=zz", "--get=", "--help=zz", "--version=\u{1b}zz"] {
            let flag = word.split('=').next().unwrap_or_default();
            let said = refused(word).says([&*format!("shmcli: {flag} takes no value\n"), USAGE]);
            said.does_not_say("zz");
        }
    });
}

#[test]
fn a_text_that_is_too_long_is_refused_and_not_repeated() {
    isolated(|| {
        for length in [SIZE, SIZE + 1, 100_000] {
            for flag in ["-p ", "-p", "--put="] {
                let said = refused(&format!("{flag}{}", "x".repeat(length)));
                let said = said.says([&*format!("{length} bytes"), "4095", USAGE]);
                said.does_not_say("xx");
            }
        }
    });
}

#[test]
fn refused_words_are_cut_and_control_characters_escaped() {
    const LONGEST: usize = 23; // fits a line of 80 columns if each character takes two

    isolated(|| {
        let names = |word: &[u8], named: &str| {
            let said = shmcli([OsStr::from_bytes(word)]).fails(2);
            said.says([&*format!("unexpected argument {named}\n"), USAGE]);
        };
        names(b"\x1b[31mred", r#""\u{1b}[31mred""#);
        names(b"a\nshmcli: b", r#""a\nshmcli: b""#);
        names("\u{202e}abc".as_bytes(), r#""\u{202e}abc""#);
        names("привет".as_bytes(), "\"привет\"");
        names(b"\xff\xfe", "\"\u{fffd}\u{fffd}\"");
        names(b"-\xffptext", "\"-\u{fffd}ptext\"");
        names(b"--\xff", "\"--\u{fffd}\"");
        names(&b"\x1b".repeat(LONGEST), r#""\u{1b}\u{1b}\u{1b}"..."#);
        for char in ["x", "宽"] {
            let longest = char.repeat(LONGEST);
            names(longest.as_bytes(), &format!("\"{longest}\""));
            for length in [LONGEST + 1, 30_000] {
                names(char.repeat(length).as_bytes(), &format!("\"{longest}\"..."));
            }
        }
    });
}

#[test]
fn help_says_how_the_program_is_used_and_what_its_statuses_promise() {
    const PARTS: [&str; 17] = [
        "through System V shared memory\n",
        "Usage: shmcli [-p <TEXT> | -g]...\n\nOptions:",
        "-p, --put <TEXT>",
        "4095 bytes\n",
        "-g, --get",
        "from left to right",
        "literally",
        "-p '' empties",
        "shmcli -p hello",
        "value=$(shmcli -g)",
        "old=$(shmcli -g -p \"$new\")",
        "\n  0    every flag was carried out, or help",
        "\n  1    write error",
        "-p stored stays stored\n",
        "\n  2    usage error: nothing was touched\n",
        "\n  255  could not get the lock",
        "no flag was carried out\n",
    ];

    isolated(|| {
        for line in ["-h", "--help", "-gh", "-hx", "-hptext", "-p x -h operand"] {
            let run = shmcli(line.split(' '));
            let help = String::from_utf8_lossy(run.stdout()).into_owned();
            for part in PARTS {
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
