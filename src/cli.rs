//! The command line, read as getopt(3) reads `p:g`, becomes a list of steps.

use std::ffi::{OsStr, OsString};
use std::iter;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command};

use crate::segment::Text;

/// What one flag asks for.
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
  0    every flag was carried out, or help or the version was printed
  1    output could not be written
  2    usage error, nothing was touched
  255  no turn within 10 seconds, or no segment: no flag was carried out";

const OPERAND_TIP: &str =
    "a text is stored with -p, and one of several words needs quotes: -p 'two words'";

/// Reads the arguments, without the program's name, into steps in the order given.
///
/// # Errors
///
/// A usage error, or what `--help` and `--version` are to print.
pub fn parse<'a>(args: impl Iterator<Item = &'a OsStr>) -> Result<Vec<Step>, clap::Error> {
    let mut command = command();
    let mut matches = command
        .try_get_matches_from_mut(join_texts(args))
        .map_err(with_operand_tip)?;

    // clap groups what it found by flag. The indices tell the order on the command line.
    let indices = |flag| matches.indices_of(flag).into_iter().flatten();
    let mut steps: Vec<(usize, Step)> = indices(GET).map(|index| (index, Step::Get)).collect();
    let put_indices: Vec<usize> = indices(PUT).collect();
    let texts = matches.remove_many::<OsString>(PUT).into_iter().flatten();
    for (index, text) in iter::zip(put_indices, texts) {
        // Not by a value parser of clap, whose error would repeat the text.
        let text = Text::try_from(text)
            .map_err(|error| command.error(ErrorKind::ValueValidation, error))?;
        steps.push((index, Step::Put(text)));
    }
    steps.sort_by_key(|(index, _)| *index);
    Ok(steps.into_iter().map(|(_, step)| step).collect())
}

fn command() -> Command {
    Command::new("shmcli")
        .version(env!("CARGO_PKG_VERSION"))
        .about(env!("CARGO_PKG_DESCRIPTION"))
        .after_help(AFTER_HELP)
        .override_usage("shmcli [-p <TEXT> | -g]...")
        .no_binary_name(true)
        .arg(
            Arg::new(PUT)
                .short('p')
                .long("put")
                .value_name("TEXT")
                .help("Store TEXT, whatever it looks like, of up to 4095 bytes")
                .value_parser(clap::value_parser!(OsString))
                .action(ArgAction::Append),
        )
        .arg(
            Arg::new(GET)
                .short('g')
                .long("get")
                .help("Print the string and a newline")
                .num_args(0)
                // ArgAction::Count would end at 255 and keep the last index alone. A value has an index, if only an
                // empty one.
                .default_missing_value("")
                .action(ArgAction::Append),
        )
}

/// Joins the text of each put to its flag with an `=`: `-p x` and `-px` become `-p=x`, `-gp x` becomes `-gp=x`, and
/// `--put x` becomes `--put=x`.
///
/// For getopt, a text is whatever follows `-p`. clap cannot be told so: it would end the flags at `-p --`, and lose the
/// first `=` of `-p=x`, which becomes `-p==x` here.
fn join_texts<'a>(args: impl Iterator<Item = &'a OsStr>) -> impl Iterator<Item = OsString> {
    let mut args = args.map(OsStr::as_bytes);
    let mut flags_ended = false;
    iter::from_fn(move || {
        let arg = args.next()?;
        flags_ended |= arg == b"--";
        let word = match split_after_put(arg).filter(|_| !flags_ended) {
            // Where there is no text either, clap says so.
            Some((flags, b"")) => match args.next() {
                Some(text) => [flags, text].join(&b'='),
                None => flags.to_vec(),
            },
            Some((flags, text)) => [flags, text].join(&b'='),
            None => arg.to_vec(),
        };
        Some(OsString::from_vec(word))
    })
}

/// Splits `-px` into `-p` and `x`, and `-p` into `-p` and nothing, if there is a put in this argument.
fn split_after_put(arg: &[u8]) -> Option<(&[u8], &[u8])> {
    match arg {
        b"--put" => Some((arg, b"")),
        // clap splits `--put=x` as getopt_long(3) would.
        [b'-', b'-', ..] => None,
        [b'-', ..] => {
            let put = arg.iter().position(|&byte| byte == b'p')?;
            Some(arg.split_at(put + 1))
        }
        _ => None,
    }
}

/// Adds a tip to the error for an operand, such as `hello`: a `-p` or quotes may have been forgotten. clap has the same
/// error for an unknown flag.
fn with_operand_tip(mut error: clap::Error) -> clap::Error {
    if error.kind() == ErrorKind::UnknownArgument {
        let tips = ContextValue::StyledStrs(vec![OPERAND_TIP.into()]);
        error.insert(ContextKind::Suggested, tips);
    }
    error
}
