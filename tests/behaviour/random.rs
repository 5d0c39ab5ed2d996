//! Random command lines in all spellings, against a plain model of the rules.

use std::collections::hash_map::RandomState;
use std::env;
use std::ffi::OsString;
use std::hash::{BuildHasher, Hasher};
use std::os::unix::ffi::OsStringExt;

use crate::support::place::isolated;
use crate::support::segment::{SIZE, Segment};
use crate::support::shmcli::shmcli;
use crate::support::shown::{expect_bytes, shown};

const COMMAND_LINES: usize = 3_000;

/// Repeats the command lines of an earlier run.
const SEED: &str = "SHMCLI_TEST_SEED";

#[test]
fn random_command_lines_do_what_the_rules_say() {
    isolated(|| {
        let seed = match env::var(SEED) {
            Ok(seed) => seed.parse().expect("a seed is a number"),
            Err(_) => RandomState::new().build_hasher().finish(),
        };
        let mut random = Random(seed);
        let segment = Segment::create(SIZE, 0o666);
        let mut model = [0; SIZE];
        for _ in 0..COMMAND_LINES {
            if random.one_in(100) {
                model = [random.byte(); SIZE];
                segment.attach().write(&model);
            }
            let line = CommandLine::random(&mut random);
            let printed = line.carry_out(&mut model);
            let run = shmcli(line.args);
            let status = if line.refused { 2 } else { 0 };
            assert!(
                run.status().code() == Some(status) && run.stdout() == printed,
                "{run}\n  expected: exit status {status}, and on stdout {}\n  in the run with {SEED}={seed}",
                shown(&printed)
            );
            let left = format!("what a run left, with {SEED}={seed}:\n{run}");
            expect_bytes(&left, &segment.bytes(), &model);
        }
    });
}

enum Step {
    Put(Vec<u8>),
    Get,
}

#[derive(Default)]
struct CommandLine {
    args: Vec<OsString>,
    steps: Vec<Step>,
    refused: bool,
}

impl CommandLine {
    fn random(random: &mut Random) -> CommandLine {
        let mut line = CommandLine::default();
        for _ in 0..random.below(6) {
            line.add_flags(random);
        }
        if random.one_in(4) {
            line.add_error(random);
        } else if random.one_in(4) {
            line.args.push("--".into());
        }
        line
    }

    /// Adds an argument of one or more gets, or a put, or a put after some gets.
    fn add_flags(&mut self, random: &mut Random) {
        let gets = random.below(4);
        let put = gets == 0 || random.one_in(2);
        if gets == 1 && !put && random.one_in(2) {
            self.args.push("--get".into());
            self.steps.push(Step::Get);
            return;
        }
        self.steps.extend((0..gets).map(|_| Step::Get));
        let mut flags = format!("-{}", "g".repeat(gets)).into_bytes();
        if put {
            let text = random.text();
            let long = gets == 0 && random.one_in(3);
            flags = if long {
                b"--put".to_vec()
            } else {
                [&flags[..], b"p"].concat()
            };
            // Without an =, an empty text must be an argument of its own.
            if random.one_in(2) && (long || !text.is_empty()) {
                let sign: &[u8] = if long { b"=" } else { b"" };
                self.push([&flags[..], sign, &text].concat());
            } else {
                self.push(flags);
                self.push(text.clone());
            }
            self.steps.push(Step::Put(text));
        } else {
            self.push(flags);
        }
    }

    fn add_error(&mut self, random: &mut Random) {
        let errors: [&[&[u8]]; 12] = [
            &[b"-x"],
            &[b"-gx"],
            &[b"-g=x"],
            &[b"--get=x"],
            &[b"--pu", b"x"],
            &[b"-p"],
            &[b"-gp"],
            &[b"--put"],
            &[b"operand"],
            &[b""],
            &[b"--", b"-g"],
            &[b"-p", &[b'x'; SIZE]],
        ];
        for arg in errors[random.below(errors.len())] {
            self.push(arg.to_vec());
        }
        self.refused = true;
    }

    fn push(&mut self, arg: Vec<u8>) {
        self.args.push(OsString::from_vec(arg));
    }

    /// Does to these bytes what the run is to do to the segment, and returns what it is to print.
    fn carry_out(&self, bytes: &mut [u8; SIZE]) -> Vec<u8> {
        let mut printed = Vec::new();
        if self.refused {
            return printed;
        }
        for step in &self.steps {
            match step {
                Step::Put(text) => {
                    bytes[..text.len()].copy_from_slice(text);
                    bytes[text.len()] = 0;
                }
                Step::Get => {
                    printed.extend(bytes.iter().take_while(|&&byte| byte != 0));
                    printed.push(b'\n');
                }
            }
        }
        printed
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
        const LIKE_FLAGS: [&str; 12] = [
            "", "-", "--", "-g", "-p", "-h", "=", "==x", "-p=x", "--put=3", "--help", "p",
        ];

        let length = match self.below(20) {
            0..8 => return LIKE_FLAGS[self.below(LIKE_FLAGS.len())].into(),
            8 => SIZE - 1,
            9 => self.below(SIZE),
            _ => self.below(20),
        };
        (0..length).map(|_| self.byte()).collect()
    }
}
