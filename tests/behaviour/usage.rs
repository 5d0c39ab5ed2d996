//! Usage errors touch nothing, and neither do `--help` and `--version`.

use crate::support::sandbox::isolated;
use crate::support::segment::{SIZE, Segment};
use crate::support::shmcli::{Failure, shmcli};

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
    assert!(segment.bytes() == before, "{args:?} changed the segment");
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
        refused(&["-p", "hello", "world"]).says("unexpected argument 'world'");
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
        for args in [&["-h"][..], &["--help"], &["-gh"], &["-p", "x", "--help"]] {
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
            for status in ["0  ", "1  ", "2  ", "255  "] {
                assert!(help.contains(&format!("\n  {status}")), "{help}");
            }
            run.prints(help);
        }
        assert!(Segment::find().is_none());
    });
}

#[test]
fn version_is_the_package_version() {
    isolated(|| {
        for flag in ["-V", "--version"] {
            shmcli([flag]).prints(concat!("shmcli ", env!("CARGO_PKG_VERSION"), "\n"));
        }
        assert!(Segment::find().is_none());
    });
}
