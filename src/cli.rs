//! Turns the command line into a list of steps. Short flags are read as getopt(3) reads them with `p:ghV`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::error::{ContextKind, ErrorKind};
use clap::{ArgAction, Command, Id, arg};

use crate::segment::Text;

/// What one flag asks for.
#[derive(Clone)]
pub enum Step {
    Put(Text),
    Get,
}

/// Why there are no steps: a text to show (help or version), or the message of a usage error.
pub enum Stop {
    Show(String),
    Usage(String),
}

const FLAGS_TIP: &str = "The flags are -p TEXT, -g, -h and -V, before any `--`. See `shmcli -h`.";
const TEXT_TIP: &str = "Store a text with -p, quoted if it has several words. See `shmcli -h`.";
const AFTER_HELP: &str = "\
-p and -g act from left to right. TEXT is stored literally, whatever it looks
like: -p -g stores '-g', -p '' empties the string. Every user can read it.

Examples:
  shmcli -p hello               store a string
  value=$(shmcli -g)            read it, in another terminal or script
  old=$(shmcli -g -p \"$new\")    swap it, with no other run in between

Exit status:
  0    every flag was carried out, or help or the version was printed
  1    write error: output may be incomplete; what -p stored stays stored
  2    usage error: nothing was touched
  255  could not get the lock or the segment: no flag was carried out";

/// Reads the arguments, without the program's name.
pub fn parse(args: impl Iterator<Item = Vec<u8>>) -> Result<Vec<Step>, Stop> {
    let matches = command().try_get_matches_from(split_texts(args));
    let matches = matches.map_err(from_clap)?;
    // clap groups values by flag. Sorted by index, they are in the order of the command line.
    let mut found = Vec::new();
    for flag in matches.ids().map(Id::as_str) {
        let steps = matches.get_many::<Result<Step, String>>(flag);
        let indices = matches.indices_of(flag).unwrap_or_default();
        found.extend(indices.zip(steps.unwrap_or_default()));
    }
    found.sort_by_key(|&(index, _)| index);
    let steps = found.into_iter().map(|(_, step)| step.clone());
    steps.collect::<Result<_, _>>().map_err(Stop::Usage)
}

/// The flags, each with its step. clap is here for the long flags, the help, and the search for errors. It keeps the
/// indices of values only, so `-g` gets an empty value to have a place in the order.
fn command() -> Command {
    Command::new("shmcli")
        .version(env!("CARGO_PKG_VERSION"))
        .about(env!("CARGO_PKG_DESCRIPTION"))
        .after_help(AFTER_HELP)
        .override_usage("shmcli [-p <TEXT> | -g]...")
        .no_binary_name(true)
        .args([
            arg!(-p --put <TEXT> ...)
                .help(format!("Store TEXT, of up to {} bytes", Text::MAX_LENGTH))
                .allow_hyphen_values(true)
                .value_parser(step(|text| Text::new(text.into_vec()).map(Step::Put))),
            arg!(-g --get "Print the string and a newline")
                .action(ArgAction::Append)
                .num_args(0)
                .default_missing_value("")
                .value_parser(step(|_| Ok(Step::Get))),
        ])
}

/// A parser from a flag's value to a step. An error is kept as a value: clap would stop at it, before a later `-h`.
fn step(from_value: fn(OsString) -> Result<Step, String>) -> impl TypedValueParser {
    OsStringValueParser::new().map(from_value)
}

/// Splits `-px` into `-p` and `x`, because clap would take the `=` off `-p=x`. `-p -px` is left alone.
fn split_texts(mut args: impl Iterator<Item = Vec<u8>>) -> Vec<OsString> {
    let mut words = Vec::new();
    while let Some(mut word) = args.next() {
        let text = match text_start(&word) {
            Some(start) if start < word.len() => Some(word.split_off(start)),
            Some(_) => args.next(), // the text is the next word
            None => None,
        };
        words.push(OsString::from_vec(word));
        words.extend(text.map(OsString::from_vec));
    }
    words
}

/// Where in a word the text of `-p` starts: 2 in `-px`, 3 in `-gpx`. If that is its end, the text is the next word.
fn text_start(word: &[u8]) -> Option<usize> {
    match word {
        b"--put" => Some(word.len()),
        [b'-', b'-', ..] => None, // clap itself splits `--put=x`
        [b'-', ..] => Some(word.iter().position(|&byte| byte == b'p')? + 1),
        _ => None,
    }
}

fn from_clap(error: clap::Error) -> Stop {
    // The wrong flag or operand, such as `-x` for `-gx`. Debug escapes what is not printable. Long words are cut.
    let word = error.get(ContextKind::InvalidArg);
    let word = word.map(ToString::to_string).unwrap_or_default();
    let mut quoted = format!("{word:?}");
    if quoted.chars().count() > 25 {
        quoted = format!("{quoted:.24}...");
    }
    Stop::Usage(match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => return Stop::Show(error.to_string()),
        ErrorKind::InvalidValue => "-p needs a text\n`-p ''` stores an empty one.".to_owned(),
        ErrorKind::TooManyValues => format!("{word} takes no value\n{FLAGS_TIP}"),
        _ if word.starts_with('-') => format!("unexpected argument {quoted}\n{FLAGS_TIP}"),
        _ => format!("unexpected argument {quoted}\n{TEXT_TIP}"),
    })
}
