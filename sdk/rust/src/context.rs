use alloc::string::{String, ToString};
use core::fmt;
use core::time::Duration;

#[cfg(target_arch = "wasm32")]
use crate::guest::Environment;
#[cfg(not(target_arch = "wasm32"))]
use crate::testing::Environment;

/// The severity of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i32)]
pub enum Level {
    /// Of use to the machine's author alone.
    Debug = 0,
    /// Of use to the operator.
    Info = 1,
    /// Something that should be looked at.
    Warn = 2,
    /// Something that is broken.
    Error = 3,
}

/// What a machine may know of the entry it runs, and how it speaks to the outside. All of it is equal on every member.
pub struct Context {
    pub(crate) env: Environment,
}

impl Context {
    /// The log index of the entry. In a query it is that of the last applied entry.
    pub fn index(&self) -> u64 {
        self.env.index()
    }

    /// The leader's term in which the entry was made.
    pub fn term(&self) -> u64 {
        self.env.term()
    }

    /// The moment at which the leader took the command, since the Unix epoch. It never falls from entry to entry. In a query it is
    /// that of the last applied entry.
    pub fn time(&self) -> Duration {
        Duration::from_nanos(self.env.time_nanos())
    }

    /// The name that the client gave in the header `Grout-Caller`, or "". It says who the client claims to be: the host does not
    /// verify it.
    pub fn caller(&self) -> String {
        self.env.caller()
    }

    /// Fills `bytes` with random bytes that derive from the group's seed and the entry's index, so that every member gets the same.
    /// Anyone who knows the seed can predict them: use them for dice and jitter, never for secrets.
    pub fn random(&self, bytes: &mut [u8]) {
        if !bytes.is_empty() {
            self.env.random(bytes);
        }
    }

    /// The next eight bytes of [`Context::random`], as a number.
    pub fn random_u64(&self) -> u64 {
        let mut bytes = [0; 8];
        self.env.random(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// Writes one line for the operator: a text, or `format_args!("{} keys", n)`. It is no part of the machine's state: every member
    /// writes its own, and a replayed command writes it again.
    pub fn log(&self, level: Level, text: impl fmt::Display) {
        self.env.log(level, &text.to_string());
    }

    /// Publishes `payload` at `grout.v1.<group>.evt.<suffix>` after the command has committed, at least once; a refused or trapped
    /// command emits nothing. `suffix` is one or more NATS tokens joined by dots, such as `order.created`, of 128 bytes at most.
    ///
    /// # Panics
    ///
    /// When the suffix is none, and outside of commands.
    #[track_caller]
    pub fn emit(&self, suffix: &str, payload: impl AsRef<[u8]>) {
        assert!(
            valid_suffix(suffix),
            "emit({suffix:?}): a suffix is one or more tokens joined by dots, of 1 to 128 visible ASCII characters without '*' and '>'"
        );
        self.env.emit(suffix, payload.as_ref());
    }
}

/// Reports whether a suffix can end a subject that is published to.
fn valid_suffix(suffix: &str) -> bool {
    suffix.len() <= 128
        && suffix.split('.').all(|token| {
            !token.is_empty()
                && token
                    .bytes()
                    .all(|b| b.is_ascii_graphic() && b != b'*' && b != b'>')
        })
}
