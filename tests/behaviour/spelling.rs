//! Spellings of flags and texts: the short ones are read as getopt(3) reads `p:g`.

use crate::support::*;

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
        let texts = "-g -p -- -h --help --put=3 -p=x -gp=x - -x --get";
        for text in texts.split(' ') {
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
