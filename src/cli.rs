//! The command line, read as getopt(3) reads `p:g`, becomes a list of steps.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::mem;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::segment::Text;

/// What one flag asks for.
#[derive(Clone)]
pub enum Step {
    Put(Text),
    Get,
}

const PUT: &str = "put";
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
pub fn parse(args: impl Iterator<Item = OsString>) -> Result<Vec<Step>, clap::Error> {
    let mut matches = command().try_get_matches_from(keep_equals_signs(args))?;
    let mut steps = steps(&mut matches, PUT);
    steps.append(&mut self::steps(&mut matches, GET));
    steps.sort_by_key(|&(index, _)| index);
    Ok(steps.into_iter().map(|(_, step)| step).collect())
}

fn command() -> Command {
    Command::new("shmcli")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Passes a string from one run to the next through System V shared memory")
        .after_help(AFTER_HELP)
        .override_usage("shmcli [-p <TEXT> | -g]...")
        .no_binary_name(true)
        .arg(
            Arg::new(PUT)
                .short('p')
                .long("put")
                .value_name("TEXT")
                .help("Store TEXT, whatever it looks like, of up to 4095 bytes")
                .allow_hyphen_values(true)
                .action(ArgAction::Append)
                .value_parser(PutParser),
        )
        .arg(
            Arg::new(GET)
                .short('g')
                .long("get")
                .help("Print the string and a newline")
                .num_args(0)
                // clap records where a flag stood only together with a value.
                .default_missing_value("")
                .action(ArgAction::Append)
                .value_parser(|_: &str| Ok::<_, Infallible>(Step::Get)),
        )
}

/// The steps of one flag, each with its position on the command line.
fn steps(matches: &mut ArgMatches, flag: &str) -> Vec<(usize, Step)> {
    let indices: Vec<usize> = matches.indices_of(flag).into_iter().flatten().collect();
    let steps = matches.remove_many(flag).into_iter().flatten();
    indices.into_iter().zip(steps).collect()
}

/// Makes a text of the value of `-p`. clap's own errors would repeat the value, which may be very long.
#[derive(Clone)]
struct PutParser;

impl TypedValueParser for PutParser {
    type Value = Step;

    fn parse_ref(
        &self,
        command: &Command,
        _: Option<&Arg>,
        value: &OsStr,
    ) -> Result<Step, clap::Error> {
        Text::try_from(value)
            .map(Step::Put)
            .map_err(|error| command.clone().error(ErrorKind::ValueValidation, error))
    }
}

/// Doubles the `=` that follows `p` in `-p=x` or `-gp=x`, where getopt takes `=x` as the text: clap drops one, as
/// after a long option, and cannot be told not to.
///
/// It leaves alone what is not such a spelling: the text of a waiting `-p` or `--put` (`-p -p=x`), and all that
/// follows a closing `--`.
fn keep_equals_signs(args: impl Iterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    let mut text_follows = false;
    let mut operands_follow = false;
    args.map(move |arg| {
        if operands_follow || mem::take(&mut text_follows) {
            return arg;
        }
        match arg.as_bytes() {
            b"--" => operands_follow = true,
            b"--put" => text_follows = true,
            [b'-', b'-', ..] => {}
            [b'-', flags @ ..] => {
                if let Some(put) = flags.iter().position(|&flag| flag == b'p') {
                    match flags.get(put + 1) {
                        None => text_follows = true,
                        Some(b'=') => {
                            let mut bytes = arg.into_vec();
                            bytes.insert(put + 2, b'=');
                            return OsString::from_vec(bytes);
                        }
                        Some(_) => {}
                    }
                }
            }
            _ => {}
        }
        arg
    })
}
