//! The README's own commands do what it says, its recipes in sh and bash.

use std::process::Command;

use crate::support::*;

const README: &str = include_str!("../../README.md");

/// The console blocks, without the marks around them.
fn console_blocks() -> Vec<&'static str> {
    let fenced = README.split("```").skip(1).step_by(2);
    fenced
        .filter_map(|block| block.strip_prefix("console\n$ "))
        .collect()
}

/// The code, inline or in a block, that ends the list item with this start.
fn recipe(start: &str) -> String {
    let mut items = README.split("\n- ").map(|item| item.split("\n\n").next());
    let item = items.find_map(|item| item?.strip_prefix(start));
    let item = item.expect("the README has this recipe").trim_end();
    let code = item.trim_end_matches('`').rsplit('`').next();
    let code = code.expect("a recipe ends with code");
    code.strip_prefix("sh\n").unwrap_or(code).to_owned() + "\n"
}

/// A shell command for a user who has installed shmcli.
fn in_shell(shell: &str, script: &str) -> Command {
    let folder = BINARY.trim_end_matches("/shmcli");
    let mut command = Command::new(shell);
    command.args(["-c", &format!("PATH='{folder}':$PATH; {script}")]);
    command
}

/// The script without its pauses.
fn impatient(script: &str) -> String {
    format!("sleep() {{ :; }}; {script}")
}

/// Does this in sh and, if there is one, in bash.
fn in_each_shell(action: impl Fn(&str)) {
    isolated(|| {
        for shell in ["sh", "bash"] {
            if Command::new(shell).args(["-c", ":"]).status().is_ok() {
                action(shell);
            }
        }
    });
}

#[test]
fn console_blocks_print_what_they_show() {
    isolated(|| {
        assert!(!console_blocks().is_empty());
        for block in console_blocks() {
            for command in block.split("\n$ ") {
                let (command, output) = command.split_once('\n').unwrap_or((command, ""));
                let lines = output.lines().map(|line| line.to_owned() + "\n");
                Run::of(&mut in_shell("sh", command)).prints(lines.collect::<String>());
            }
        }
    });
}

#[test]
fn a_commands_output_is_stored_and_the_string_swapped() {
    in_each_shell(|shell| {
        let store = recipe("Store what a command prints");
        let script = format!("date() {{ echo '*  now'; }}; {store}");
        Run::of(&mut in_shell(shell, &script)).prints("");
        let script = format!("new='*  new'; {}printf %s \"$old\"", recipe("Swap"));
        Run::of(&mut in_shell(shell, &script)).prints("*  now");
        let script = format!("date() {{ false; }}; {store}");
        Run::of(&mut in_shell(shell, &script)).ends_with(1, "");
        shmcli(["-g"]).prints("*  new\n");
    });
}

#[test]
fn waiting_ends_with_a_string_or_a_failure() {
    in_each_shell(|shell| {
        let script = format!(
            "{}printf %s \"$value\"",
            recipe("After `shmcli -p ''`, wait")
        );
        shmcli(["-p", ""]).prints("");
        let run = Run::of(&mut in_shell(shell, &impatient(&script)));
        run.ends_with(0, "").says("no string");
        let waiting = Started::of(&mut in_shell(shell, &script)).waits();
        shmcli(["-p", "*  value"]).prints("");
        waiting.ends().prints("*  value");
    });
}

#[test]
fn a_private_string_touches_no_other() {
    in_each_shell(|shell| {
        needs_unshare(&["-Ur", "--ipc"]);
        shmcli(["-p", "of all"]).prints("");
        Run::of(&mut in_shell(shell, &recipe("Use a private string"))).prints("only in here\n");
        shmcli(["-g"]).prints("of all\n");
    });
}
