//! Usage errors touch nothing, and neither do `--help` and `--version`.

use crate::support::place::isolated;
use crate::support::segment::{SIZE, Segment};
use crate::support::shmcli::{Failure, shmcli};
use crate::support::shown::expect_bytes;

/// This command line is refused, with and without a segment, also where flags before it are fine.
#[track_caller]
fn refused(args: &[&str]) -> Failure {
    let after_others = [&["-p", "new", "-g"], args].concat();
    shmcli(args).fails(2);
    shmcli(&after_others).fails(2);
    assert!(Segment::find().is_none(), "{args:?} made a segment");

    let segment = Segment::holding(b"old");
    let before = segment.bytes();
    let failure = shmcli(args).fails(2);
    shmcli(&after_others).fails(2);
    expect_bytes(
        &format!("the segment after {args:?}"),
        &segment.bytes(),
        &before,
    );
    segment.remove();
    failure
}

#[test]
fn unknown_flags_are_refused() {
    isolated(|| {
        for args in [
            ["-x"],
            ["-gx"],
            ["--x"],
            ["---"],
            ["-g-"],
            ["--pu"],
            ["--putt=x"],
            ["-xp"],
            ["-é"],
        ] {
            refused(&args).says("unexpected argument");
        }
    });
}

#[test]
fn a_put_without_a_text_is_refused() {
    isolated(|| {
        for args in [&["-p"][..], &["--put"], &["-gp"], &["-p", "x", "-p"]] {
            refused(args).says("a value is required for '--put <TEXT>'");
        }
    });
}

#[test]
fn a_get_with_a_text_is_refused() {
    isolated(|| {
        for args in [["-g=x"], ["--get=x"], ["--get="]] {
            refused(&args);
        }
    });
}

#[test]
fn operands_are_refused() {
    isolated(|| {
        let tip =
            "tip: a text is stored with -p, and one of several words needs quotes: -p 'two words'";
        refused(&["hello"])
            .says("unexpected argument 'hello' found")
            .says(tip);
        refused(&["-p", "hello", "world"])
            .says("unexpected argument 'world' found")
            .says(tip);
        refused(&["--", "-p", "x"])
            .says("unexpected argument '-p' found")
            .says(tip);
        for args in [
            &["x"][..],
            &[""],
            &["-"],
            &["-g", "x"],
            &["--", "x"],
            &["--", "-g"],
            &["--", "--"],
        ] {
            refused(args).says("unexpected argument");
        }
        let long_command_line = [&["-g"; 100][..], &["--", "-g"]].concat();
        refused(&long_command_line).says("unexpected argument '-g'");
    });
}

#[test]
fn too_long_a_text_is_refused_and_not_repeated() {
    isolated(|| {
        for length in [SIZE, SIZE + 1, 100_000] {
            let text = "x".repeat(length);
            for args in [
                &["-p", &text][..],
                &[&format!("-p{text}")],
                &[&format!("--put={text}")],
            ] {
                refused(args)
                    .says(&format!("{length} bytes"))
                    .says("4095 bytes")
                    .does_not_say("xxxx");
            }
        }
    });
}

#[test]
fn a_usage_error_after_thousands_of_flags_touches_nothing() {
    isolated(|| {
        let args = [&["-p", "x", "-g"].repeat(5_000)[..], &["-x"]].concat();
        refused(&args);
    });
}

#[test]
fn help_shows_examples_and_exit_statuses() {
    isolated(|| {
        let too_long = "x".repeat(SIZE);
        for args in [
            &["-h"][..],
            &["--help"],
            &["-gh"],
            &["-p", "x", "--help"],
            &["-p", &too_long, "-h", "operand"],
        ] {
            let run = shmcli(args);
            let help = String::from_utf8_lossy(run.stdout()).into_owned();
            for part in [
                "Usage: shmcli",
                "--put <TEXT>",
                "4095",
                "--get",
                "Examples:",
                "Exit status:",
            ] {
                assert!(help.contains(part), "{help}");
            }
            for status in [
                "0    every flag was carried out, or help or the version was printed",
                "1    output could not be written",
                "2    usage error, nothing was touched",
                "255  no turn within 10 seconds, or no segment: no flag was carried out",
            ] {
                assert!(help.contains(&format!("\n  {status}\n")), "{help}");
            }
            run.prints(help);
        }
        assert!(Segment::find().is_none());
    });
}

#[test]
fn version_is_the_package_version() {
    isolated(|| {
        for args in [&["-V"][..], &["--version"], &["-p", "x", "-V"]] {
            shmcli(args).prints(concat!("shmcli ", env!("CARGO_PKG_VERSION"), "\n"));
        }
        assert!(Segment::find().is_none());
    });
}
