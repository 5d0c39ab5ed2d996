//! Random command lines in all spellings, against a plain model of the rules.

use std::collections::hash_map::RandomState;
use std::env;
use std::ffi::OsString;
use std::hash::{BuildHasher, Hasher};
use std::os::unix::ffi::OsStringExt;

use crate::support::*;

const COMMAND_LINES: usize = 1_000;

/// Repeats the command lines of an earlier run.
const SEED: &str = "SHMCLI_TEST_SEED";

#[test]
fn random_command_lines_do_what_the_rules_say() {
    isolated(|| {
        let seed = match env::var(SEED) {
            Ok(seed) => seed.parse().expect("a seed is a number"),
            Err(_) => RandomState::new().build_hasher().finish() | 1,
        };
        eprintln!("{SEED}={seed}");
        let mut random = Random(seed);
        let segment = Segment::create(SIZE, 0o666);
        let mut bytes = [0; SIZE];
        for _ in 0..COMMAND_LINES {
            if random.one_in(100) {
                bytes = [random.byte(); SIZE];
                segment.write(&bytes);
            }
            let mut line = Line {
                args: Vec::new(),
                bytes,
                printed: Vec::new(),
            };
            for _ in 0..random.below(6) {
                line.add_flags(&mut random);
            }
            if random.one_in(4) {
                line.add_error(&mut random);
                shmcli(line.args).fails(2);
            } else {
                line.args.extend(random.one_in(4).then(|| "--".into()));
                shmcli(line.args).prints(line.printed);
                bytes = line.bytes;
            }
            expect_bytes("the segment", &segment.bytes(), &bytes);
        }
    });
}

/// A command line, and what it is to leave in the segment and to print if no error is added to it.
struct Line {
    args: Vec<OsString>,
    bytes: [u8; SIZE],
    printed: Vec<u8>,
}

impl Line {
    fn push(&mut self, arg: impl Into<Vec<u8>>) {
        self.args.push(OsString::from_vec(arg.into()));
    }

    /// Adds an argument of one or more gets, or a put, or a put after some gets.
    fn add_flags(&mut self, random: &mut Random) {
        let gets = random.below(4);
        for _ in 0..gets {
            let string = self.bytes.split(|&byte| byte == 0).next();
            self.printed.extend(string.unwrap_or_default());
            self.printed.push(b'\n');
        }
        let flags = format!("-{}", "g".repeat(gets)).into_bytes();
        if gets == 0 || random.one_in(2) {
            self.add_put(flags, random);
        } else if gets == 1 && random.one_in(2) {
            self.push("--get");
        } else {
            self.push(flags);
        }
    }

    fn add_put(&mut self, flags: Vec<u8>, random: &mut Random) {
        let text = random.text();
        let (flag, sign): (Vec<u8>, &[u8]) = match flags.len() {
            1 if random.one_in(3) => (b"--put".into(), b"="),
            _ => ([&flags[..], b"p"].concat(), b""),
        };
        self.bytes[..text.len()].copy_from_slice(&text);
        self.bytes[text.len()] = 0;
        // Without an =, an empty text must be an argument of its own.
        if random.one_in(2) && !(text.is_empty() && sign.is_empty()) {
            self.push([&flag, sign, &text].concat());
        } else {
            self.push(flag);
            self.push(text);
        }
    }

    fn add_error(&mut self, random: &mut Random) {
        const ERRORS: &[u8] =
            b"-x|-gx|-g=x|--get=x|--pu x|-p|-gp|--put|operand||-|-- -g|-\xff|--\xff -p x";

        let errors: Vec<&[u8]> = ERRORS.split(|&byte| byte == b'|').collect();
        for word in errors[random.below(errors.len())].split(|&byte| byte == b' ') {
            self.push(word);
        }
    }
}

/// A xorshift generator.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) as usize % limit
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// Any byte that a text may hold.
    fn byte(&mut self) -> u8 {
        1 + self.below(255) as u8
    }

    fn text(&mut self) -> Vec<u8> {
        const LIKE_FLAGS: &str = "|-|--|-g|-p|-h|=|==x|-p=x|--put=3|--help|p";

        let like_flags: Vec<&str> = LIKE_FLAGS.split('|').collect();
        let length = match self.below(20) {
            0..8 => return like_flags[self.below(like_flags.len())].into(),
            8 => SIZE - 1,
            9 => self.below(SIZE),
            _ => self.below(20),
        };
        (0..length).map(|_| self.byte()).collect()
    }
}
