//! The command line, read as getopt(3) reads `p:g`, becomes a list of steps.

use std::ffi::{OsStr, OsString};
use std::iter;
use std::mem;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Command};

use crate::segment::{Text, TextError};

/// What one flag asks for.
pub enum Step {
    Put(Text),
    Get,
}

/// How many words clap reads at once. It keeps half a KiB for each flag until it is done; for thousands of flags, that
/// much new memory would cost more time than all the rest. A few words at a time use the same memory again.
const WORDS_AT_ONCE: usize = 16;

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
pub fn parse<'a>(args: impl Iterator<Item = &'a OsStr>) -> Result<Vec<Step>, clap::Error> {
    let steps = Steps::default();
    let mut command = command(&steps);
    let mut words = join_texts(args);
    loop {
        let mut some = Vec::with_capacity(WORDS_AT_ONCE);
        some.extend(words.by_ref().take(WORDS_AT_ONCE));
        match some.last() {
            None => return Ok(mem::take(&mut steps.lock())),
            // What follows a closing `--` makes sense only together with it.
            Some(last) if last == "--" => some.extend(words.by_ref()),
            Some(_) => {}
        }
        command.try_get_matches_from_mut(some)?;
    }
}

fn command(steps: &Steps) -> Command {
    Command::new("shmcli")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Passes a string from one run to the next through System V shared memory")
        .after_help(AFTER_HELP)
        .override_usage("shmcli [-p <TEXT> | -g]...")
        .no_binary_name(true)
        .arg(
            Arg::new("text")
                .short('p')
                .long("put")
                .value_name("TEXT")
                .help("Store TEXT, whatever it looks like, of up to 4095 bytes")
                .action(ArgAction::Append)
                .value_parser(steps.parser(|text| Text::try_from(text).map(Step::Put))),
        )
        .arg(
            Arg::new("get")
                .short('g')
                .long("get")
                .help("Print the string and a newline")
                .num_args(0)
                // clap calls the parser only where there is a value.
                .default_missing_value("")
                .action(ArgAction::Append)
                .value_parser(steps.parser(|_| Ok(Step::Get))),
        )
}

/// The steps so far. clap keeps each flag's values apart; here the parsers of the values add a step for each flag as
/// clap meets it, which puts them in order.
#[derive(Clone, Default)]
struct Steps(Arc<Mutex<Vec<Step>>>);

impl Steps {
    fn lock(&self) -> MutexGuard<'_, Vec<Step>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn parser(&self, step: fn(&OsStr) -> Result<Step, TextError>) -> StepParser {
        StepParser {
            steps: self.clone(),
            step,
        }
    }
}

#[derive(Clone)]
struct StepParser {
    steps: Steps,
    step: fn(&OsStr) -> Result<Step, TextError>,
}

impl TypedValueParser for StepParser {
    type Value = ();

    fn parse_ref(
        &self,
        command: &Command,
        _: Option<&Arg>,
        value: &OsStr,
    ) -> Result<(), clap::Error> {
        // clap's own error for a value would repeat it, and it may be very long.
        let step = (self.step)(value)
            .map_err(|error| command.clone().error(ErrorKind::ValueValidation, error))?;
        self.steps.lock().push(step);
        Ok(())
    }
}

/// Joins the text of `-p` or `--put` to its flag with an `=`, so that clap takes it as it is, whatever it looks like:
/// `-p x`, `-px` and `-gp x` become `-p=x`, `-p=x` and `-gp=x`; `-p=x`, where getopt takes `=x` as the text, becomes
/// `-p==x`, since clap drops one `=` after a short option as after a long one.
fn join_texts<'a>(mut args: impl Iterator<Item = &'a OsStr>) -> impl Iterator<Item = OsString> {
    let mut operands_follow = false;
    iter::from_fn(move || {
        let arg = args.next()?;
        operands_follow |= arg == "--";
        let joined = put_flag_end(arg.as_bytes())
            .filter(|_| !operands_follow)
            .and_then(|end| {
                let (flags, attached) = arg.as_bytes().split_at(end);
                let text = match attached {
                    // Where no argument is left either, clap says so.
                    [] => args.next()?.as_bytes(),
                    _ => attached,
                };
                Some(OsString::from_vec([flags, b"=", text].concat()))
            });
        Some(joined.unwrap_or_else(|| arg.to_owned()))
    })
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
