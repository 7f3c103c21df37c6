//! Runs a machine natively, for its author's tests.

use std::borrow::ToOwned;
use std::cell::{Cell, RefCell};
use std::string::String;
use std::time::Duration;
use std::vec::Vec;

use crate::{Context, Level, Machine, Result};

/// What a machine emitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The index of the command that emitted it.
    pub index: u64,
    /// The end of the subject.
    pub suffix: String,
    /// What was published.
    pub payload: Vec<u8>,
}

/// One line that a machine logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Its severity.
    pub level: Level,
    /// Its text.
    pub text: String,
}

/// A machine and the entries it runs. It cannot undo anything: what a refused command changed stays, and so it is best to test
/// those on a harness of their own. `grout check` runs the module in the sandbox, where they are undone.
pub struct Harness<M> {
    /// The term of the next entries; it starts at 1.
    pub term: u64,
    /// What [`Context::time`] grows by with each command; it starts at one millisecond.
    pub step: Duration,
    /// The name that the machine gets as the caller's.
    pub caller: String,
    /// Stands for the group's seed: random bytes derive from it and the index.
    pub seed: u64,

    machine: M,
    argument: Vec<u8>,
    index: u64,
    time: Duration,
    events: Vec<Event>,
    logs: Vec<Log>,
}

impl<M: Machine> Harness<M> {
    /// Starts a machine with the argument that it would be given at deploy.
    ///
    /// # Errors
    ///
    /// The machine's refusal.
    pub fn new(argument: impl AsRef<[u8]>) -> Result<Self> {
        let argument = argument.as_ref();
        let ctx = Context {
            env: Environment::default(),
        };
        let machine = M::init(&ctx, argument)?;
        Ok(Harness {
            term: 1,
            step: Duration::from_millis(1),
            caller: String::new(),
            seed: 0,
            machine,
            argument: argument.to_vec(),
            index: 0,
            time: Duration::ZERO,
            events: Vec::new(),
            logs: ctx.env.logs.into_inner(),
        })
    }

    /// Runs one command, as the next entry.
    ///
    /// # Errors
    ///
    /// The machine's refusal; what the command emitted is discarded then.
    pub fn apply(&mut self, command: impl AsRef<[u8]>) -> Result {
        self.index += 1;
        self.time += self.step;
        let ctx = self.context(true);
        let result = self.machine.apply(&ctx, command.as_ref());
        self.take(ctx, result.is_ok());
        result
    }

    /// Answers one query, at the last applied entry.
    ///
    /// # Errors
    ///
    /// The machine's refusal.
    pub fn query(&mut self, query: impl AsRef<[u8]>) -> Result {
        let ctx = self.context(false);
        let result = self.machine.query(&ctx, query.as_ref());
        self.take(ctx, false);
        result
    }

    /// Exports the state, as the next entry.
    ///
    /// # Errors
    ///
    /// The machine's refusal.
    pub fn export(&mut self) -> Result {
        self.index += 1;
        let ctx = self.context(false);
        let result = self.machine.export(&ctx);
        self.take(ctx, false);
        result
    }

    /// Has a new machine take over from this one, as an upgrade does.
    ///
    /// # Errors
    ///
    /// The first refusal of an export, a start and a migration; the machine stays as it was then.
    pub fn upgrade(&mut self) -> Result<()> {
        let state = self.export()?;
        let ctx = self.context(false);
        let next = M::init(&ctx, &self.argument)
            .and_then(|mut next| next.migrate(&ctx, &state).map(|()| next));
        self.take(ctx, false);
        self.machine = next?;
        Ok(())
    }

    /// The machine itself.
    pub fn machine(&self) -> &M {
        &self.machine
    }

    /// The index of the last entry.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Takes the events since the last call, in their order.
    pub fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Takes the log lines since the last call, in their order.
    pub fn logs(&mut self) -> Vec<Log> {
        std::mem::take(&mut self.logs)
    }

    fn context(&self, emits: bool) -> Context {
        Context {
            env: Environment {
                index: self.index,
                term: self.term,
                time: self.time,
                caller: self.caller.clone(),
                random: Cell::new(self.seed ^ self.index.rotate_left(32) ^ u64::from(emits)),
                emits,
                ..Environment::default()
            },
        }
    }

    /// Keeps what a call logged, and what it emitted if it was applied.
    fn take(&mut self, ctx: Context, applied: bool) {
        self.logs.append(&mut ctx.env.logs.into_inner());
        if applied {
            self.events.append(&mut ctx.env.events.into_inner());
        }
    }
}

/// Stands for the host.
#[derive(Default)]
pub(crate) struct Environment {
    index: u64,
    term: u64,
    time: Duration,
    caller: String,
    random: Cell<u64>,
    emits: bool,
    events: RefCell<Vec<Event>>,
    logs: RefCell<Vec<Log>>,
}

impl Environment {
    pub fn index(&self) -> u64 {
        self.index
    }

    pub fn term(&self) -> u64 {
        self.term
    }

    pub fn time_nanos(&self) -> u64 {
        self.time.as_nanos() as u64
    }

    pub fn caller(&self) -> String {
        self.caller.clone()
    }

    /// SplitMix64: equal in every run, and not what a host would give.
    pub fn random(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            self.random
                .set(self.random.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
            let mut z = self.random.get();
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes()[..chunk.len()]);
        }
    }

    pub fn log(&self, level: Level, text: &str) {
        self.logs.borrow_mut().push(Log {
            level,
            text: text.to_owned(),
        });
    }

    #[track_caller]
    pub fn emit(&self, suffix: &str, payload: &[u8]) {
        assert!(self.emits, "emit({suffix:?}): only commands may emit");
        self.events.borrow_mut().push(Event {
            index: self.index,
            suffix: suffix.to_owned(),
            payload: payload.to_vec(),
        });
    }
}
