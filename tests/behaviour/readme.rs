//! The README's examples do what it says, its recipes in sh and bash.

use std::env;
use std::process::Command;

use crate::support::*;

const README: &str = include_str!("../../README.md");

/// The code of the README's list item that starts so, without the `sh` that may open it.
fn recipe(start: &str) -> &'static str {
    let item = README.split("\n- ").find(|item| item.starts_with(start));
    let code = item.and_then(|item| item.split('`').find(|code| code.contains("shmcli")));
    code.expect("the README has this recipe")
        .trim_start_matches("sh\n")
}

/// A shell command for a user who has installed shmcli.
fn in_shell(shell: &str, script: &str) -> Command {
    let folder = BINARY.trim_end_matches("/shmcli");
    let path = env::var("PATH").unwrap_or_default();
    let mut command = program(shell);
    command
        .args(["-c", script])
        .env("PATH", format!("{folder}:{path}"));
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
        let blocks = README.split("```");
        let blocks = blocks.filter_map(|block| block.strip_prefix("console\n$ "));
        let examples: Vec<&str> = blocks.flat_map(|block| block.split("$ ")).collect();
        assert!(!examples.is_empty());
        for example in examples {
            let (command, output) = example.split_once('\n').expect("a command is a line");
            Run::of(&mut in_shell("sh", command)).prints(output);
        }
    });
}

#[test]
fn recipes_store_swap_and_take() {
    // Each recipe meets the string that the one before it left. A shell would change `*` and two spaces outside quotes.
    in_each_shell(|shell| {
        let run = |before: &str, start: &str, after: &str| {
            let script = format!("{before}\n{}\n{after}", recipe(start));
            Run::of(&mut in_shell(shell, &script))
        };
        run("cat() { echo \"*  $1\"; }", "Store a file", "").prints("");
        run("cat() { false; }", "Store a file", "").exits(1, "");
        run("new='*  new'", "Swap:", "echo \"$old\"").prints("*  notes\n");
        run("", "Take", "echo \"$text\"; shmcli -g").prints("*  new\n\n");
        let date = "date() { echo '*  pipe'; }";
        run(date, "Store piped", "shmcli -g").prints("*  pipe\n");
    });
}

#[test]
fn waiting_ends_with_a_string_or_a_failure() {
    in_each_shell(|shell| {
        let wait = recipe("Wait");
        let gives_up = |script: &str| {
            let script = format!("({script}) || echo gave up");
            let run = Run::of(&mut in_shell(shell, &script)).exits(0, "gave up\n");
            run.says(["no string"])
        };

        shmcli(["-p", ""]).prints("");
        gives_up(&wait.replace("+ 10", "+ 1"));
        let mut waiting = in_shell(shell, &format!("{wait}\necho \"$text\""));
        let waiting = Started::of(&mut waiting).waits();
        shmcli(["-p", "*  text"]).prints("");
        waiting.wait().prints("*  text\n");
        shmcli(["-g"]).prints("\n");

        let run = gives_up(&format!("shmcli() {{ echo failed >&2; false; }}; {wait}"));
        assert_eq!(run.stderr().matches("failed\n").count(), 1);
    });
}

#[test]
fn a_private_string_touches_no_other() {
    in_each_shell(|shell| {
        needs_unshare(&["-c", "--ipc"]);
        shmcli(["-p", "of all"]).prints("");
        let run = Run::of(&mut in_shell(shell, recipe("Give one command")));
        run.prints("x\n");
        shmcli(["-g"]).prints("of all\n");
    });
}
