//! Spellings of flags and texts: the short ones are read as getopt(3) reads `p:ghV`.

use crate::support::*;

/// Each of these command lines stores this text and prints nothing. Spaces part the words, of which the last may be
/// empty.
#[track_caller]
fn all_put(text: &str, command_lines: &[&str]) {
    for line in command_lines {
        shmcli(["-p", "another"]).prints("");
        shmcli(line.split(' ')).prints("");
        assert_eq!(Segment::existing().string(), text, "what {line} stored");
    }
}

#[test]
fn a_text_stands_alone_or_joined_to_its_flag_and_may_be_empty() {
    isolated(|| {
        all_put("x", &["-p x", "-px", "--put x", "--put=x"]);
        all_put("", &["-p ", "--put ", "--put="]);
    });
}

#[test]
fn a_text_may_start_with_an_equals_sign() {
    isolated(|| {
        all_put("=x", &["-p=x", "-p =x", "--put==x", "--put =x"]);
        all_put("==x", &["-p==x", "-p ==x", "--put===x"]);
        all_put("=", &["-p=", "-p =", "--put=="]);
    });
}

#[test]
fn a_text_may_look_like_a_flag() {
    isolated(|| {
        for text in "-g -p -- -h --help --put=3 -p=x -gp=x - -x --get g p".split(' ') {
            for before in ["-p ", "-p", "--put ", "--put=", "-p x -p "] {
                all_put(text, &[&format!("{before}{text}")]);
            }
        }
    });
}

#[test]
fn short_flags_may_be_joined_and_long_ones_stand_alone() {
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
    });
}
