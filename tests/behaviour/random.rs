//! Random command lines in all spellings, against a plain model of the rules.

use std::env;
use std::ffi::OsString;
use std::hash::{BuildHasher, RandomState};
use std::os::unix::ffi::OsStringExt;

use crate::support::*;

/// The environment's variable for the seed.
const SEED: &str = "SHMCLI_TEST_SEED";

/// Endings that make each line below a usage error. Spaces part the words.
const ERRORS: [&[u8]; 14] = [
    b"-x", b"-gx", b"-g=x", b"--get=x", b"--pu x", b"-p", b"-gp", b"--put", b"operand", b"", b"-",
    b"-- -g", b"-\xff", b"--\xff",
];

#[test]
fn random_command_lines_do_what_the_rules_say() {
    let given = env::var(SEED).ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| RandomState::new().hash_one(()));
    println!("to try the same command lines again: {SEED}={seed} cargo test random"); // shown if the test fails

    isolated(move || {
        let mut random = Random(seed | 1);
        let segment = Segment::create(SIZE, 0o666);
        let mut bytes = vec![0; SIZE];
        for _command_line in 0..500 {
            if random.one_in(100) {
                bytes = vec![random.byte(); SIZE];
                segment.write(&bytes);
            }
            let mut line = Line {
                args: Vec::new(),
                bytes: bytes.clone(),
                printed: Vec::new(),
            };
            for _ in 0..random.below(6) {
                line.add_flags(&mut random);
            }
            if random.one_in(4) {
                let words = random.one_of(&ERRORS).split(|&byte| byte == b' ');
                let words = words.map(|word| OsString::from_vec(word.into()));
                line.args.extend(words);
                shmcli(line.args).fails(2);
            } else {
                if random.one_in(4) {
                    line.args.push("--".into());
                }
                shmcli(line.args).prints(line.printed);
                bytes = line.bytes;
            }
            segment.holds(&bytes);
        }
    });
}

/// A command line, and what it is to leave in the segment and to print if no error is added to it.
struct Line {
    args: Vec<OsString>,
    bytes: Vec<u8>,
    printed: Vec<u8>,
}

impl Line {
    /// Adds a flag, or several in one word, and the text of a put. In each spelling, `g` is a get, and `p` a put.
    fn add_flags(&mut self, random: &mut Random) {
        let flags = random.one_of(&["-g", "-ggg", "--get", "-p", "-gp", "-ggp", "--put"]);
        let string = self.bytes.split(|&byte| byte == 0).next();
        let printed = [string.unwrap_or_default(), b"\n"].concat();
        let gets = flags.matches('g').count();
        self.printed.extend(printed.repeat(gets));
        if !flags.contains('p') {
            self.args.push(flags.into());
            return;
        }
        let text = random.text();
        self.bytes[..text.len()].copy_from_slice(&text);
        self.bytes[text.len()] = 0;
        let start = if flags == "--put" { "--put=" } else { flags };
        // An empty text cannot be joined to a short flag.
        let words = if random.one_in(2) && (start == "--put=" || !text.is_empty()) {
            vec![[start.as_bytes(), &text].concat()]
        } else {
            vec![flags.into(), text]
        };
        self.args.extend(words.into_iter().map(OsString::from_vec));
    }
}

/// A xorshift generator, which must not start with 0.
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

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    fn text(&mut self) -> Vec<u8> {
        const LIKE_FLAGS: [&str; 12] = [
            "", "-", "--", "-g", "-p", "-h", "=", "==x", "-p=x", "--put=3", "--help", "p",
        ];

        let length = match self.below(20) {
            0..8 => return self.one_of(&LIKE_FLAGS).into(),
            8 => SIZE - 1,
            9 => self.below(SIZE),
            _ => self.below(20),
        };
        (0..length).map(|_| self.byte()).collect()
    }
}
