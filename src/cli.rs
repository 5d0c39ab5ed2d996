//! Turns the command line into a list of steps. Short flags are read as getopt(3) reads them with `p:ghV`.

use std::error::Error;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::error::{ContextKind, ErrorKind};
use clap::{ArgAction, ArgMatches, Command, arg};

use crate::segment::Text;

/// What the command line asks for.
pub enum Request {
    /// Steps to carry out, in this order.
    Run(Vec<Step>),
    /// Help or the version, to print.
    Show(String),
}

/// What one flag asks for.
#[derive(Clone)] // clap requires it of values
pub enum Step {
    Put(Text),
    Get,
}

const USAGE: &str = "shmcli [-p <TEXT> | -g]...";

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

/// Reads the arguments, without the program's name. Fails with the message of a usage error.
pub fn parse(mut args: Vec<Vec<u8>>) -> Result<Request, String> {
    keep_equals_signs(&mut args);
    match command().try_get_matches_from(args.into_iter().map(OsString::from_vec)) {
        Ok(matches) => Ok(Request::Run(in_order(&matches))),
        // To clap, help and the version are errors for stdout.
        Err(error) if !error.use_stderr() => Ok(Request::Show(error.to_string())),
        Err(error) => Err(usage_error(&error)),
    }
}

/// Doubles the `=` that starts the text in `-p=x`: clap takes one off, and getopt none.
fn keep_equals_signs(args: &mut [Vec<u8>]) {
    let mut words = args.iter_mut();
    while let Some(word) = words.next() {
        if word == b"--" {
            break; // only operands follow
        }
        let Some(flags) = word.strip_prefix(b"-") else {
            continue;
        };
        // Only g's can precede a p: at any other flag, clap stops with an error, help or the version.
        let gets = flags.iter().take_while(|&&flag| flag == b'g').count();
        let rest = &flags[gets..]; // `-put=x` for `--put=x`, which neither branch changes
        if rest == b"p" || word == b"--put" {
            words.next(); // skip the text, which may look like a flag
        } else if rest.starts_with(b"p=") {
            word.insert(gets + 2, b'='); // after the dash, the gets and the p
        }
    }
}

/// The flags. Each makes a step of its value. clap adds `-h` and `-V`.
fn command() -> Command {
    let to_put = |text: OsString| Text::new(text.into_vec()).map(Step::Put);
    Command::new("shmcli")
        .version(env!("CARGO_PKG_VERSION"))
        .about(env!("CARGO_PKG_DESCRIPTION"))
        .after_help(AFTER_HELP)
        .override_usage(USAGE)
        .no_binary_name(true)
        .args([
            arg!(-p --put <TEXT>)
                .help(format!("Store TEXT, of up to {} bytes", Text::MAX_LENGTH))
                .action(ArgAction::Append)
                .allow_hyphen_values(true)
                .value_parser(OsStringValueParser::new().try_map(to_put)),
            arg!(-g --get "Print the string and a newline")
                .action(ArgAction::Append)
                .num_args(0)
                .default_missing_value("") // gives -g a position for in_order: only values have one
                .value_parser(OsStringValueParser::new().map(|_| Step::Get)),
        ])
}

/// The steps in the order of the command line. clap has them grouped by flag, with the position of each value.
fn in_order(matches: &ArgMatches) -> Vec<Step> {
    let mut found = Vec::new();
    for flag in ["put", "get"] {
        let positions = matches.indices_of(flag).unwrap_or_default();
        let steps = matches.get_many::<Step>(flag).unwrap_or_default();
        found.extend(positions.zip(steps));
    }
    found.sort_by_key(|&(position, _)| position);
    found.into_iter().map(|(_, step)| step.clone()).collect()
}

/// The message for what is wrong with the command line.
fn usage_error(error: &clap::Error) -> String {
    // The wrong flag or operand: of `-gx`, only `-x`.
    let word = error.get(ContextKind::InvalidArg);
    let word = word.map(ToString::to_string).unwrap_or_default();
    let problem = match (error.kind(), error.source()) {
        // Only Text::new checks values, so the source is its error.
        (ErrorKind::ValueValidation, Some(too_long)) => too_long.to_string(),
        // To clap, a missing value is an invalid one.
        (ErrorKind::InvalidValue, _) => {
            "-p or --put needs a TEXT (-p '' stores an empty one)".to_owned()
        }
        (ErrorKind::TooManyValues, _) => format!("{word} takes no value"),
        _ => format!("unexpected argument {}", quoted(&word)),
    };
    format!("{problem}\nUsage: {USAGE} (quote a TEXT of several words; see shmcli -h)")
}

/// The start of a word in quotes, with what is not printable escaped. It is short enough for a line of 80 columns.
fn quoted(word: &str) -> String {
    const LIMIT: usize = 23; // characters between the quotes, each up to two columns wide
    let mut start: String = word.chars().take(LIMIT).collect();
    // An escape is several characters, so fewer may fit, with the two quotes around them.
    while format!("{start:?}").chars().count() > LIMIT + 2 {
        start.pop();
    }
    let cut = if start == word { "" } else { "..." };
    format!("{start:?}{cut}")
}
