//! The README's own commands do what it says, its recipes in sh and bash.

use std::env;
use std::process::Command;

use crate::support::*;

const README: &str = include_str!("../../README.md");

/// The code of the list item with these words: the longest, if there is more.
fn recipe(words: &str) -> &'static str {
    let mut items = README.split("\n- ").map(|item| item.split("\n\n").next());
    let item = items.find_map(|item| item.filter(|item| item.contains(words)));
    let item = item.expect("the README has such a recipe");
    let code = item.split('`').skip(1).step_by(2);
    let longest = code.max_by_key(|code| code.len()).unwrap_or_default();
    longest.trim_start_matches("sh\n")
}

/// A shell command for a user who has installed shmcli.
fn in_shell(shell: &str, script: &str) -> Command {
    let folder = BINARY.trim_end_matches("/shmcli");
    let path = env::var("PATH").unwrap_or_default();
    let mut command = program(shell);
    command.args(["-c", script]);
    command.env("PATH", format!("{folder}:{path}"));
    command
}

/// Does this in sh and, if there is one, in bash.
fn in_each_shell(action: impl Fn(&str) + Send) {
    isolated(move || {
        for shell in ["sh", "bash"] {
            if program(shell).args(["-c", ":"]).status().is_ok() {
                action(shell);
            }
        }
    });
}

#[test]
fn console_blocks_print_what_they_show() {
    isolated(|| {
        let fenced = README.split("```").skip(1).step_by(2);
        let blocks: Vec<&str> = fenced
            .filter_map(|block| block.strip_prefix("console\n$ "))
            .collect();
        assert!(!blocks.is_empty());
        for command in blocks.iter().flat_map(|block| block.split("\n$ ")) {
            let (command, output) = command.split_once('\n').unwrap_or((command, ""));
            let lines = output.lines().map(|line| line.to_owned() + "\n");
            Run::of(&mut in_shell("sh", command)).prints(lines.collect::<String>());
        }
    });
}

#[test]
fn recipes_store_swap_and_take() {
    // Each recipe meets the string that the one before it left.
    in_each_shell(|shell| {
        let run = |before: &str, start: &str, after: &str| {
            let script = format!("{before}\n{}\n{after}", recipe(start));
            Run::of(&mut in_shell(shell, &script))
        };
        run("cat() { echo \"*  $1\"; }", "Store a file", "").prints("");
        run("cat() { false; }", "Store a file", "").exits(1, "");
        run("new='*  new'", "Swap:", "echo \"$old\"").prints("*  notes\n");
        run("", "Take", "echo \"$text\"; shmcli -g").prints("*  new\n\n");
        let run = run("date() { echo '*  pipe'; }", "Store piped", "shmcli -g");
        run.prints("*  pipe\n");
    });
}

#[test]
fn waiting_ends_with_a_string_or_a_failure() {
    in_each_shell(|shell| {
        let wait = recipe("Wait");
        let short_wait = wait.replace("+ 10", "+ 1");
        shmcli(["-p", ""]).prints("");
        let run = Run::of(&mut in_shell(shell, &short_wait));
        let failed = !run.output.status.success() && run.output.stdout.is_empty();
        run.check(failed, "to fail");
        run.says(["no string"]);
        let mut waiting = in_shell(shell, &format!("{wait}\necho \"$text\""));
        let waiting = Started::of(&mut waiting).waits();
        shmcli(["-p", "*  text"]).prints("");
        waiting.wait().prints("*  text\n");
        shmcli(["-g"]).prints("\n");
        let failing = format!("shmcli() {{ echo failed >&2; false; }}; {wait}");
        let run = Run::of(&mut in_shell(shell, &failing));
        let failed_once = run.stderr().matches("failed\n").count() == 1;
        run.check(failed_once, "one call of shmcli, which fails");
        run.says(["no string"]);
    });
}

#[test]
fn a_private_string_touches_no_other() {
    in_each_shell(|shell| {
        needs_unshare(&["-c", "--ipc"]);
        shmcli(["-p", "of all"]).prints("");
        let run = Run::of(&mut in_shell(shell, recipe("its own string")));
        run.prints("x\n");
        shmcli(["-g"]).prints("of all\n");
    });
}
