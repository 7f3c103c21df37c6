//! The Grout SDK: a replicated state machine is a type that implements [`Machine`].
//!
//! ```
//! use grout::{Context, Machine, Result};
//!
//! struct Tally(u64); // state is ordinary values: Grout replicates, snapshots and rolls it back
//!
//! impl Machine for Tally {
//!     fn init(_: &Context, _argument: &[u8]) -> Result<Self> {
//!         Ok(Tally(0))
//!     }
//!     fn apply(&mut self, _: &Context, command: &[u8]) -> Result {
//!         if command.is_empty() {
//!             return grout::refuse(1, "there is nothing to count");
//!         }
//!         self.0 += command.len() as u64;
//!         Ok(self.0.to_string().into())
//!     }
//!     fn query(&self, _: &Context, _query: &[u8]) -> Result {
//!         Ok(self.0.to_string().into())
//!     }
//! }
//!
//! grout::machine!(Tally);
//! ```
//!
//! `grout build` compiles the crate, whose `crate-type` is `cdylib`, for `wasm32-unknown-unknown`. Natively, in `cargo test`,
//! [`testing::Harness`] runs a machine.
//!
//! Every member of a group runs the same commands in the same order and has to come to the same state. Inside the sandbox there is
//! no way not to: there are no files and no threads, `HashMap` has fixed keys, and [`Context`] has the clock and the random bytes,
//! equal on every member. `SystemTime::now` and `Instant::now` panic: use [`Context::time`].
//!
//! A panic traps the command with its text and place; what it changed is undone.
#![no_std]
#![warn(missing_docs)]

extern crate alloc;
#[cfg(any(feature = "std", not(target_arch = "wasm32")))]
extern crate std;

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

mod context;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod guest;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;

pub use context::{Context, Level};

/// What a machine's functions return: by default a reply's bytes, or a refusal.
pub type Result<T = Vec<u8>> = core::result::Result<T, Refusal>;

/// A replicated state machine. Its functions are never called concurrently. Inputs are valid only during the call.
pub trait Machine: Sized {
    /// Makes the machine, once, before the first command. `argument` is the one given at deploy, often empty.
    ///
    /// # Errors
    ///
    /// A refusal fails the deploy.
    fn init(ctx: &Context, argument: &[u8]) -> Result<Self>;

    /// Runs one command and returns the reply.
    ///
    /// # Errors
    ///
    /// A refusal undoes what the command changed and discards what it emitted; the client gets code and message.
    fn apply(&mut self, ctx: &Context, command: &[u8]) -> Result;

    /// Answers one query. Whatever it changes, as through a `Cell`, is undone.
    ///
    /// # Errors
    ///
    /// The client gets the code and message of a refusal.
    fn query(&self, ctx: &Context, query: &[u8]) -> Result;

    /// Returns the whole state in a form that the next module's [`Machine::migrate`] reads. It may be as large as the machine's
    /// memory limit, but has to fit into the memory beside the state. A form that says its own version keeps later upgrades simple.
    ///
    /// # Errors
    ///
    /// A refusal leaves the old module in place. A machine without this function refuses.
    fn export(&self, _ctx: &Context) -> Result {
        refuse(
            1,
            "this machine cannot be upgraded: give it a function export",
        )
    }

    /// Takes over the state that the machine before exported. It is called once, after [`Machine::init`], and cannot emit.
    ///
    /// # Errors
    ///
    /// A refusal leaves the old module and its state in place. A machine without this function refuses.
    fn migrate(&mut self, _ctx: &Context, _state: &[u8]) -> Result<()> {
        refuse(1, "this machine cannot migrate: give it a function migrate")
    }
}

/// The machine's "no": a code for the client's program and a message for its user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    code: i32,
    message: String,
}

impl Refusal {
    /// Makes a refusal. A code below 1 becomes 1, since 0 and less mean other things on the wire.
    pub fn new(code: i32, message: impl fmt::Display) -> Self {
        Refusal {
            code: code.max(1),
            message: message.to_string(),
        }
    }

    /// The code, 1 or more, which the client gets in the header `Grout-Machine-Code`.
    pub fn code(&self) -> i32 {
        self.code
    }

    /// The message, of which the host keeps the first 4,096 bytes.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused with code {}: {}", self.code, self.message)
    }
}

#[cfg(any(feature = "std", not(target_arch = "wasm32")))]
impl std::error::Error for Refusal {}

/// Refuses the present call: `return grout::refuse(3, "no such key")`, or `.or_else(|err| grout::refuse(4, err))?`. Texts with values
/// in them are `format_args!("no key {}", key)`.
///
/// # Errors
///
/// Always, with [`Refusal::new`] of the two.
pub fn refuse<T>(code: i32, message: impl fmt::Display) -> Result<T> {
    Err(Refusal::new(code, message))
}

/// Makes a type the module's machine: `grout::machine!(Tally);`, once in a crate. It exports what the host calls, and natively does
/// nothing.
#[macro_export]
macro_rules! machine {
    ($machine:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            static SEAT: $crate::guest::Seat<$machine> = $crate::guest::Seat::new();
            #[no_mangle]
            extern "C" fn grout_init(len: u32) -> i32 {
                SEAT.init(len)
            }
            #[no_mangle]
            extern "C" fn grout_apply(len: u32) -> i32 {
                SEAT.apply(len)
            }
            #[no_mangle]
            extern "C" fn grout_query(len: u32) -> i32 {
                SEAT.query(len)
            }
            #[no_mangle]
            extern "C" fn grout_export(len: u32) -> i32 {
                SEAT.export(len)
            }
            #[no_mangle]
            extern "C" fn grout_migrate(len: u32) -> i32 {
                SEAT.migrate(len)
            }
        };
        // A type that is no machine is told natively as well.
        #[cfg(not(target_arch = "wasm32"))]
        const _: fn() = || {
            fn machine<M: $crate::Machine>() {}
            machine::<$machine>();
        };
    };
}
