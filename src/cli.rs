//! The command line, read as getopt(3) reads `p:g`, becomes a list of steps.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ffi::{OsStr, OsString};
use std::iter;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Command};

use crate::segment::Text;

/// What one flag asks for.
pub enum Step {
    Put(Text),
    Get,
}

const GET: &str = "get";

const AFTER_HELP: &str = "\
Examples:
  shmcli -p hello               store a string
  value=$(shmcli -g)            read it, in another terminal or script
  old=$(shmcli -g -p \"$new\")    swap it, with no other run in between

Exit status:
  0    every flag was carried out
  1    output could not be written
  2    usage error, nothing was touched
  255  the segment could not be had";

/// Reads the arguments, without the program's name, into steps in the order given.
///
/// # Errors
///
/// A usage error, or what `--help` and `--version` are to print.
pub fn parse<'a>(mut args: impl Iterator<Item = &'a OsStr>) -> Result<Vec<Step>, clap::Error> {
    let mut command = command();
    let mut known_gets = BTreeMap::new();
    let mut steps = Vec::new();
    while let Some(arg) = args.next() {
        if arg == "--" {
            // Nothing may follow, and clap says so.
            command.try_get_matches_from_mut(iter::once(arg).chain(args))?;
            break;
        }
        let word = Word::new(arg, &mut args);
        // clap takes longer to read a flag than the segment to carry it out. So it reads each kind of word only once,
        // and a command line of thousands of flags costs little more than the C program's.
        let gets = match known_gets.entry((word.flags, word.text.is_some())) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(unknown) => {
                let matches = command.try_get_matches_from_mut([word.with_empty_text()])?;
                let gets = matches.get_occurrences::<String>(GET);
                *unknown.insert(gets.map_or(0, |gets| gets.count()))
            }
        };
        steps.extend(iter::repeat_with(|| Step::Get).take(gets));
        if let Some(text) = word.text {
            let text = Text::try_from(text)
                .map_err(|error| command.error(ErrorKind::ValueValidation, error))?;
            steps.push(Step::Put(text));
        }
    }
    Ok(steps)
}

fn command() -> Command {
    Command::new("shmcli")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Passes a string from one run to the next through System V shared memory")
        .after_help(AFTER_HELP)
        .override_usage("shmcli [-p <TEXT> | -g]...")
        .no_binary_name(true)
        .arg(
            Arg::new("put")
                .short('p')
                .long("put")
                .value_name("TEXT")
                .help("Store TEXT, whatever it looks like, of up to 4095 bytes"),
        )
        .arg(
            Arg::new(GET)
                .short('g')
                .long("get")
                .help("Print the string and a newline")
                .num_args(0)
                // ArgAction::Count would end at 255.
                .action(ArgAction::Append),
        )
}

/// An argument, or two where the second is the text of the first.
struct Word<'a> {
    /// `-g`, `-p`, `-ggp`, `--put`, or anything else for clap to judge.
    flags: &'a [u8],
    /// What the put at the end of the flags is to store.
    text: Option<&'a [u8]>,
}

impl<'a> Word<'a> {
    fn new(arg: &'a OsStr, mut rest: impl Iterator<Item = &'a OsStr>) -> Word<'a> {
        let arg = arg.as_bytes();
        let (flags, text) = if let Some(text) = arg.strip_prefix(b"--put=") {
            (b"--put".as_slice(), Some(text))
        } else if let Some(end) = put_flag_end(arg) {
            match arg.split_at(end) {
                // Where no argument is left either, clap says so.
                (flags, []) => (flags, rest.next().map(OsStr::as_bytes)),
                (flags, text) => (flags, Some(text)),
            }
        } else {
            (arg, None)
        };
        Word { flags, text }
    }

    /// The word as clap is to read it: `-p=` for `-p x`, `-px` and `-p=x`. clap cannot be told to take every text as it
    /// is: it would lose the first `=` of `-p=x`, where getopt takes `=x` as the text, and end the flags at `-p --`.
    fn with_empty_text(&self) -> OsString {
        let text: &[u8] = if self.text.is_some() { b"=" } else { b"" };
        OsString::from_vec([self.flags, text].concat())
    }
}

/// Where the flag ends that takes a text, if there is one in this argument.
fn put_flag_end(arg: &[u8]) -> Option<usize> {
    match arg {
        b"--put" => Some(arg.len()),
        [b'-', b'-', ..] => None,
        [b'-', flags @ ..] => flags
            .iter()
            .position(|&flag| flag == b'p')
            .map(|put| put + 2),
        _ => None,
    }
}
