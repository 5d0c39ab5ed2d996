//! The command line reads as getopt(3) reads `p:g`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::support::place::isolated;
use crate::support::segment::Segment;
use crate::support::shmcli::shmcli;
use crate::support::shown::expect_bytes;

/// Each command line stores this text and prints nothing.
#[track_caller]
fn all_put<const N: usize>(text: &str, command_lines: [&[&str]; N]) {
    for args in command_lines {
        shmcli(["-p", "another"]).prints("");
        shmcli(args).prints("");
        let stored = Segment::existing().string();
        expect_bytes(&format!("what {args:?} stored"), &stored, text.as_bytes());
    }
}

#[test]
fn a_text_stands_alone_or_joined_to_its_flag() {
    isolated(|| all_put("x", [&["-p", "x"], &["-px"], &["--put", "x"], &["--put=x"]]));
}

#[test]
fn a_text_may_start_with_an_equals_sign() {
    isolated(|| {
        all_put(
            "=x",
            [&["-p=x"], &["-p", "=x"], &["--put==x"], &["--put", "=x"]],
        );
        all_put("==x", [&["-p==x"], &["-p", "==x"], &["--put===x"]]);
        all_put("=", [&["-p="], &["-p", "="], &["--put=="]]);
    });
}

#[test]
fn a_text_may_be_empty() {
    isolated(|| all_put("", [&["-p", ""], &["--put", ""], &["--put="]]));
}

#[test]
fn a_text_may_look_like_a_flag() {
    isolated(|| {
        for text in [
            "-g", "-p", "--", "-h", "--help", "--put=3", "-p=x", "-gp=x", "-", "-x", "--get",
        ] {
            all_put(
                text,
                [&["-p", text], &[&format!("-p{text}")], &["--put", text]],
            );
            all_put(
                text,
                [&[&format!("--put={text}")], &["-p", "x", "-p", text]],
            );
        }
        all_put("g", [&["-pg"]]);
        all_put("p", [&["-pp"]]);
        all_put("-", [&["-p-"]]);
    });
}

#[test]
fn a_text_may_hold_spaces_and_newlines() {
    isolated(|| {
        let text = " two words,\n\ttwo lines \n";
        all_put(
            text,
            [
                &["-p", text],
                &[&format!("-p{text}")],
                &[&format!("--put={text}")],
            ],
        );
    });
}

#[test]
fn a_text_need_not_be_utf_8() {
    isolated(|| {
        for arg in [&b"-p=\xff\xfe"[..], b"-gp=\xff\xfe", b"--put==\xff\xfe"] {
            shmcli(["-p", ""]).prints("");
            let gets_before = if arg.starts_with(b"-g") { "\n" } else { "" };
            let printed = [gets_before.as_bytes(), b"=\xff\xfe\n"].concat();
            shmcli([OsStr::from_bytes(arg), OsStr::new("-g")]).prints(printed);
        }
    });
}

#[test]
fn short_flags_may_be_joined() {
    isolated(|| {
        shmcli(["-p", "old"]).prints("");
        shmcli(["-gg"]).prints("old\nold\n");
        shmcli(["-gp", "new"]).prints("old\n");
        shmcli(["-ggpx"]).prints("new\nnew\n");
        shmcli(["-gp=y", "-g"]).prints("x\n=y\n");
        shmcli(["--get", "-g"]).prints("=y\n=y\n");
        shmcli([format!("-{}", "g".repeat(300))]).prints("=y\n".repeat(300));
    });
}

#[test]
fn a_closing_double_dash_is_allowed() {
    isolated(|| {
        shmcli(["-p", "x", "-g", "--"]).prints("x\n");
        shmcli(["--"]).prints("");
        let long_command_line = ["-g"].repeat(100);
        shmcli(long_command_line.iter().chain(&["--"])).prints("x\n".repeat(100));
    });
}
