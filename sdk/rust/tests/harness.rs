//! What the native harness promises to tests of machines.

use std::time::Duration;

use grout::testing::{Event, Harness, Log};
use grout::{refuse, Context, Level, Machine, Refusal, Result};

/// Does what a command names.
struct Probe(u64);

grout::machine!(Probe);

impl Machine for Probe {
    fn init(ctx: &Context, argument: &[u8]) -> Result<Self> {
        if argument == b"refuse" {
            return refuse(5, "as asked");
        }
        ctx.log(Level::Debug, "begun");
        Ok(Probe(0))
    }

    fn apply(&mut self, ctx: &Context, command: &[u8]) -> Result {
        self.0 += 1;
        match command {
            b"context" => Ok(format!(
                "{} {} {:?} {}",
                ctx.index(),
                ctx.term(),
                ctx.time(),
                ctx.caller()
            )
            .into()),
            b"random" => Ok(ctx.random_u64().to_le_bytes().to_vec()),
            b"refuse" => {
                ctx.emit("lost", "x");
                refuse(-3, "as asked")
            }
            _ => {
                ctx.log(Level::Warn, format_args!("{} bytes", command.len()));
                ctx.emit(&String::from_utf8_lossy(command), [self.0 as u8]);
                Ok(Vec::new())
            }
        }
    }

    fn query(&self, ctx: &Context, _: &[u8]) -> Result {
        ctx.emit("query", "");
        Ok(Vec::new())
    }

    fn export(&self, _: &Context) -> Result {
        Ok(vec![self.0 as u8])
    }

    fn migrate(&mut self, _: &Context, state: &[u8]) -> Result<()> {
        self.0 = u64::from(state[0]) * 10;
        Ok(())
    }
}

fn started() -> Harness<Probe> {
    Harness::new("").unwrap()
}

#[test]
fn calls_see_their_entry() {
    let mut h = started();
    (h.term, h.caller, h.step) = (3, "ada".into(), Duration::from_millis(2));
    h.apply("first").unwrap();
    assert_eq!(h.apply("context").unwrap(), b"2 3 4ms ada");
    assert_eq!(h.index(), 2);
}

#[test]
fn random_bytes_derive_from_seed_and_index() {
    let draw = |seed| {
        let mut h = started();
        h.seed = seed;
        (h.apply("random").unwrap(), h.apply("random").unwrap())
    };
    let (first, second) = draw(1);
    assert_ne!(first, second);
    assert_eq!(draw(1), (first.clone(), second));
    assert_ne!(draw(2).0, first);
}

#[test]
fn effects_are_recorded_unless_refused() {
    let mut h = started();
    h.apply("order.made").unwrap();
    assert_eq!(
        h.apply("refuse").unwrap_err(),
        Refusal::new(1, "as asked"),
        "a code below 1 becomes 1"
    );
    assert_eq!(
        h.events(),
        [Event {
            index: 1,
            suffix: "order.made".into(),
            payload: vec![1]
        }]
    );
    let log = |level, text: &str| Log {
        level,
        text: text.into(),
    };
    assert_eq!(
        h.logs(),
        [log(Level::Debug, "begun"), log(Level::Warn, "10 bytes")]
    );
    assert_eq!((h.events().len(), h.logs().len()), (0, 0));
}

#[test]
fn a_start_can_be_refused() {
    assert_eq!(
        Harness::<Probe>::new("refuse").err(),
        Some(Refusal::new(5, "as asked"))
    );
}

#[test]
fn an_upgrade_exports_starts_and_migrates() {
    let mut h = started();
    h.apply("a").unwrap();
    h.upgrade().unwrap();
    assert_eq!(h.machine().0, 10);
}

#[test]
#[should_panic(expected = "emit(\"a..b\"): a suffix is")]
fn a_faulty_suffix_panics() {
    drop(started().apply("a..b"));
}

#[test]
#[should_panic(expected = "only commands may emit")]
fn a_query_that_emits_panics() {
    drop(started().query(""));
}
