//! The README's own commands do what it says.

use std::env;
use std::path::Path;
use std::process::Command;

use crate::support::place::isolated;
use crate::support::shmcli::{BINARY, Run, shmcli, storm};

const README: &str = include_str!("../../README.md");

/// The README's code blocks in this language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fenced = README.split("```").skip(1).step_by(2);
    fenced
        .filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n'))
        .collect()
}

/// The block in which this function is defined.
fn recipe(function: &str) -> &'static str {
    let definition = format!("{function}() ");
    let mut definitions = blocks("sh")
        .into_iter()
        .filter(|block| block.starts_with(&definition));
    definitions.next().expect("the README has this recipe")
}

/// A shell command for a user who has installed shmcli.
fn shell(script: &str) -> Command {
    let folder = Path::new(BINARY)
        .parent()
        .expect("the binary is in a folder");
    let path = env::var("PATH").unwrap_or_default();
    let mut command = Command::new("sh");
    command
        .args(["-c", script])
        .env("PATH", format!("{}:{path}", folder.display()));
    command
}

#[test]
fn console_blocks_print_what_they_show() {
    isolated(|| {
        assert!(!blocks("console").is_empty());
        for block in blocks("console") {
            let shown = block
                .strip_prefix("$ ")
                .expect("a console block starts with a command");
            for command in shown.split("\n$ ") {
                let (command, output) = command.split_once('\n').unwrap_or((command, ""));
                let newline = if output.is_empty() || output.ends_with('\n') {
                    ""
                } else {
                    "\n"
                };
                Run::of(&mut shell(command)).prints(format!("{output}{newline}"));
            }
        }
    });
}

#[test]
fn shell_blocks_are_valid() {
    assert!(!blocks("sh").is_empty());
    for block in blocks("sh") {
        Run::of(Command::new("sh").args(["-n", "-c", block])).prints("");
    }
}

/// What five scripts print together, each line of which starts with a number, in the order of the numbers.
fn numbers_of_five_scripts(script: impl Fn(usize) -> String + Sync) -> Vec<usize> {
    let printed = storm(5, |number| {
        let run = Run::of(&mut shell(&script(number)));
        assert!(run.status().success(), "{run}");
        String::from_utf8_lossy(run.stdout()).into_owned()
    });
    let lines = printed.iter().flat_map(|printed| printed.lines());
    let mut numbers: Vec<usize> = lines
        .map(|line| line.parse().expect("a script prints numbers"))
        .collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn the_counter_gives_each_number_once() {
    isolated(|| {
        let functions = [recipe("take"), recipe("number")].concat();
        shmcli(["-p", "0"]).prints("");
        let script = |_| format!("{functions}\nfor i in 1 2 3 4 5 6 7 8; do number || exit; done");
        assert_eq!(numbers_of_five_scripts(script), (0..40).collect::<Vec<_>>());
        shmcli(["-g"]).prints("40\n");
    });
}

#[test]
fn the_lock_lets_one_script_run_a_command() {
    isolated(|| {
        let functions = [recipe("take"), recipe("alone")].concat();
        shmcli(["-p", "token"]).prints("");
        // Of two that ran together, one would find the folder there.
        let folder = env::temp_dir().join(format!("shmcli-test-lock-{}", std::process::id()));
        let script = |number| {
            let folder = folder.display();
            format!(
                "{functions}\nalone sh -c 'mkdir {folder} && sleep 0.02 && rmdir {folder} && echo {number}'"
            )
        };
        assert_eq!(numbers_of_five_scripts(script), [0, 1, 2, 3, 4]);
        shmcli(["-g"]).prints("token\n");
    });
}

#[test]
fn the_hand_over_loses_and_doubles_nothing() {
    isolated(|| {
        let functions = [recipe("take"), recipe("put")].concat();
        let script = |number| match number {
            0..3 => format!(
                "{functions}\nfor i in 0 1 2 3 4 5; do put $((6 * {number} + i)) || exit; done"
            ),
            _ => format!(
                "{functions}\nfor i in 1 2 3 4 5 6 7 8 9; do take && echo \"${{token%.}}\" || exit; done"
            ),
        };
        assert_eq!(numbers_of_five_scripts(script), (0..18).collect::<Vec<_>>());
    });
}

#[test]
fn the_recipes_stop_when_shmcli_fails() {
    isolated(|| {
        let functions = ["take", "number", "alone", "put"].map(recipe).concat();
        for call in ["take", "number", "alone echo lost", "put lost"] {
            let script = format!("{functions}\nshmcli() {{ return 255; }}\n{call}");
            Run::of(&mut shell(&script)).fails(1);
        }
    });
}
