//! Makes the command line a list of steps. `-p` and `-g` are read as getopt(3) reads them with `p:g`.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use clap::error::ErrorKind;
use clap::{ArgAction, Command, arg, value_parser};

use crate::segment::Text;

/// What one flag asks for.
pub enum Step {
    Put(Text),
    Get,
}

/// Instead of steps: a text to show (help or version), or a usage error with this message.
pub enum Stop {
    Show(String),
    Usage(String),
}

const FLAGS_TIP: &str = "The flags are -p TEXT, -g, -h and -V, before any `--`: see `shmcli -h`.";
const AFTER_HELP: &str = "\
Flags are carried out from left to right. TEXT is stored literally, whatever it
looks like: -p -g stores '-g', and -p '' empties the string.

Examples:
  shmcli -p hello               store a string
  value=$(shmcli -g)            read it, in another terminal or script
  old=$(shmcli -g -p \"$new\")    swap it, with no other run in between

Exit status:
  0    every flag was carried out, or help or the version was printed
  1    write error: output may be incomplete, what -p stored stays stored
  2    usage error: nothing was touched
  255  could not get the lock or the segment: no flag was carried out";

/// Reads the arguments, without the program's name.
pub fn parse(args: impl Iterator<Item = Vec<u8>>) -> Result<Vec<Step>, Stop> {
    let words = split_texts(args);
    let matches = command().try_get_matches_from(words).map_err(from_clap)?;
    if let Some(word) = matches.get_one::<OsString>("rest") {
        return Err(unexpected(word));
    }

    // clap lists its finds per flag. A map by index restores the order of the command line.
    let indices = |flag| matches.indices_of(flag).unwrap_or_default();
    let texts = matches.get_many::<OsString>("put").unwrap_or_default();
    let mut steps: BTreeMap<usize, Step> = indices("get").map(|index| (index, Step::Get)).collect();
    for (index, text) in indices("put").zip(texts) {
        let text = Text::new(text.as_bytes()).ok_or_else(|| {
            let (length, limit) = (text.len(), Text::MAX_LENGTH);
            Stop::Usage(format!("the text has {length} bytes, the limit is {limit}"))
        })?;
        steps.insert(index, Step::Put(text));
    }
    Ok(steps.into_values().collect())
}

/// clap does not read as getopt does, and three things make up for it. `-g` gets an empty value, because clap keeps the
/// indices of values only. "rest" takes all other words whole, so that an error can repeat them as they were typed.
/// "rest" would take `-ptext` too, so `split_texts` runs first.
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
                .value_parser(value_parser!(OsString))
                .allow_hyphen_values(true),
            arg!(-g --get "Print the string and a newline")
                .action(ArgAction::Append)
                .num_args(0)
                .default_missing_value(""),
            arg!([rest] ...)
                .hide(true)
                .value_parser(value_parser!(OsString))
                .allow_hyphen_values(true),
        ])
}

/// Splits `-px` into `-p` and `x`. Skips texts: `-p -px` stays as it is.
fn split_texts(mut args: impl Iterator<Item = Vec<u8>>) -> Vec<OsString> {
    let mut words = Vec::new();
    while let Some(mut word) = args.next() {
        let text = match start_of_text(&word) {
            Some(start) if start < word.len() => Some(word.split_off(start)),
            Some(_) => args.next(), // the text is the next word
            None => None,
        };
        words.push(OsString::from_vec(word));
        words.extend(text.map(OsString::from_vec));
    }
    words
}

/// Where a text may begin: at 2 in `-p` and `-px`, at 3 in `-gpx`, nowhere in `-g`. clap itself splits `--put=x`.
fn start_of_text(word: &[u8]) -> Option<usize> {
    if word == b"--put" {
        return Some(word.len());
    }
    let flags = word.strip_prefix(b"-")?;
    let index = flags.iter().position(|flag| !b"ghV".contains(flag))?; // the first not -g, -h or -V
    (flags[index] == b'p').then_some(index + 2) // after the `-` and the `p`
}

fn from_clap(error: clap::Error) -> Stop {
    Stop::Usage(match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => return Stop::Show(error.to_string()),
        ErrorKind::InvalidValue => "-p needs a text\n`-p ''` stores an empty one.".to_owned(),
        _ => format!("unknown flag, or a value after an '=' that only --put takes\n{FLAGS_TIP}"),
    })
}

fn unexpected(word: &OsStr) -> Stop {
    let tip = match word.as_bytes() {
        [b'-', ..] => FLAGS_TIP,
        _ => "Store a text with -p, in quotes if it has several words: -p 'two words'.",
    };
    // Debug quotes it and escapes control characters and invalid UTF-8. `.25` cuts it to fit a line.
    let word = format!("{word:?}");
    Stop::Usage(format!("unexpected argument {word:.25}\n{tip}"))
}
