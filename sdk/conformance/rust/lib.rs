//! The conformance machine in Rust: ../README.md says what it does, and machines in the other languages do the same.

use std::cell::Cell;

use grout::{refuse, Context, Level, Machine, Result};

const MAX_NAME: usize = 64;

/// Has a name, a count, and filler that makes it large.
struct Conformance {
    name: String,
    count: Cell<u64>,
    filler: Vec<u8>,
}

grout::machine!(Conformance);

impl Machine for Conformance {
    fn init(ctx: &Context, argument: &[u8]) -> Result<Self> {
        if argument.len() > MAX_NAME {
            let len = argument.len();
            return refuse(
                5,
                format_args!("a name has at most {MAX_NAME} bytes, this one has {len}"),
            );
        }
        let name = String::from_utf8_lossy(argument).into_owned();
        ctx.log(Level::Debug, format_args!("begun as {name}"));
        Ok(Conformance {
            name,
            count: Cell::new(0),
            filler: Vec::new(),
        })
    }

    fn apply(&mut self, ctx: &Context, command: &[u8]) -> Result {
        let count = self.count.get() + 1;
        self.count.set(count);
        let (word, rest) = cut(command, b' ');
        match word {
            b"" => refuse(7, format_args!("command {count} is empty")),
            b"add" => {
                self.count.set(count + rest.len() as u64);
                Ok(self.count.get().to_string().into())
            }
            b"emit" => {
                let (suffix, payload) = cut(rest, b' ');
                ctx.emit(&String::from_utf8_lossy(suffix), payload);
                ctx.emit("count", count.to_string());
                Ok(Vec::new())
            }
            b"fill" => {
                self.filler = vec![b'f'; number(rest) as usize];
                Ok(Vec::new())
            }
            b"spin" => loop {
                self.count.set(self.count.get() + 1);
            },
            _ => self.answer(ctx, word, rest),
        }
    }

    fn query(&self, ctx: &Context, query: &[u8]) -> Result {
        let (word, rest) = cut(query, b' ');
        match word {
            b"" => {
                let (name, count) = (&self.name, self.count.get());
                Ok(format!("{name} {count} {}", self.filler.len()).into())
            }
            b"touch" => {
                self.count.set(self.count.get() + 1000);
                Ok(self.count.get().to_string().into())
            }
            b"emit" => {
                ctx.emit("query", rest);
                Ok(Vec::new())
            }
            _ => self.answer(ctx, word, rest),
        }
    }

    fn export(&self, _: &Context) -> Result {
        let mut state = format!("1 {} {}\n", self.count.get(), self.filler.len()).into_bytes();
        state.extend_from_slice(&self.filler);
        Ok(state)
    }

    fn migrate(&mut self, ctx: &Context, state: &[u8]) -> Result<()> {
        let (head, filler) = cut(state, b'\n');
        let fields: Vec<_> = head.split(|&b| b == b' ').collect();
        match fields[..] {
            [b"1", count, len] if number(len) == filler.len() as u64 => {
                self.count.set(number(count));
                self.filler = filler.to_vec();
            }
            _ => return refuse(6, "the state is of another version"),
        }
        ctx.log(Level::Info, format_args!("took over {} bytes", state.len()));
        Ok(())
    }
}

impl Conformance {
    /// Does what commands and queries have in common.
    fn answer(&self, ctx: &Context, word: &[u8], rest: &[u8]) -> Result {
        match word {
            b"context" => Ok(format!(
                "{} {} {} {}",
                ctx.index(),
                ctx.term(),
                ctx.time().as_nanos(),
                ctx.caller()
            )
            .into()),
            b"random" => {
                let mut drawn = vec![0; number(rest) as usize];
                ctx.random(&mut drawn);
                drawn.extend_from_slice(&ctx.random_u64().to_le_bytes());
                Ok(drawn)
            }
            b"echo" => Ok(rest.to_vec()),
            b"large" => Ok(vec![b'x'; number(rest) as usize]),
            b"log" => {
                let (level, text) = cut(rest, b' ');
                let levels = [Level::Debug, Level::Info, Level::Warn, Level::Error];
                ctx.log(
                    levels[number(level) as usize],
                    String::from_utf8_lossy(text),
                );
                Ok(Vec::new())
            }
            b"refuse" => {
                let (code, text) = cut(rest, b' ');
                ctx.log(Level::Warn, "refusing");
                refuse(number(code) as i32, String::from_utf8_lossy(text))
            }
            b"panic" => panic!("as asked"), // the place of the panic
            _ => refuse(
                2,
                format_args!("there is no {}", String::from_utf8_lossy(word)),
            ),
        }
    }
}

/// Divides bytes before and after the first separator.
fn cut(bytes: &[u8], separator: u8) -> (&[u8], &[u8]) {
    match bytes.iter().position(|&b| b == separator) {
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
        None => (bytes, &[]),
    }
}

/// Reads decimal digits, up to the first byte that is none.
fn number(digits: &[u8]) -> u64 {
    digits
        .iter()
        .take_while(|d| d.is_ascii_digit())
        .fold(0, |n, d| n * 10 + u64::from(d - b'0'))
}
