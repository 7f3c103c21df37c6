//! The module's side of docs/ABI.md: what `machine!` exports, and the host's functions.

use alloc::string::String;
use alloc::vec::Vec;
use core::cell::UnsafeCell;
use core::fmt;
use core::panic::Location;

use crate::{Context, Level, Machine, Refusal, Result};

/// The host's functions. They read and write memory only during the call.
mod host {
    #[link(wasm_import_module = "grout_v1")]
    extern "C" {
        pub fn input_read(dst: *mut u8, offset: u32, len: u32) -> u32;
        pub fn output_write(bytes: *const u8, len: u32);
        pub fn error_write(bytes: *const u8, len: u32);
        pub fn ctx_index() -> u64;
        pub fn ctx_term() -> u64;
        pub fn ctx_time() -> i64;
        pub fn ctx_caller(dst: *mut u8, len: u32) -> u32;
        pub fn random(dst: *mut u8, len: u32);
        pub fn log(level: i32, text: *const u8, len: u32);
        pub fn emit(suffix: *const u8, suffix_len: u32, bytes: *const u8, len: u32);
        pub fn abort(text: *const u8, len: u32) -> !;
    }
}

/// Holds the module's machine, and the bytes of the present call. They are reused, so that a command costs no allocation and touches
/// the same pages of memory as the one before.
pub struct Seat<M> {
    machine: UnsafeCell<Option<M>>,
    input: UnsafeCell<Vec<u8>>,
}

// SAFETY: a module has one thread, and the host calls an export only after the one before has returned: it calls none from inside
// of its own functions.
unsafe impl<M> Sync for Seat<M> {}

impl<M: Machine> Seat<M> {
    /// An empty seat.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Seat {
            machine: UnsafeCell::new(None),
            input: UnsafeCell::new(Vec::new()),
        }
    }

    /// grout_init.
    pub fn init(&self, len: u32) -> i32 {
        report_panics();
        answer(M::init(&CALL, self.input(len)).map(|machine| {
            // SAFETY: as for Sync; no reference to the machine is left from an earlier call.
            unsafe { *self.machine.get() = Some(machine) };
            Vec::new()
        }))
    }

    /// grout_apply.
    pub fn apply(&self, len: u32) -> i32 {
        answer(self.machine().apply(&CALL, self.input(len)))
    }

    /// grout_query.
    pub fn query(&self, len: u32) -> i32 {
        answer(self.machine().query(&CALL, self.input(len)))
    }

    /// grout_export.
    pub fn export(&self, _len: u32) -> i32 {
        answer(self.machine().export(&CALL))
    }

    /// grout_migrate.
    pub fn migrate(&self, len: u32) -> i32 {
        let code = answer(
            self.machine()
                .migrate(&CALL, self.input(len))
                .map(|()| Vec::new()),
        );
        // SAFETY: as for Sync. The old machine's state need not stay in the new one's.
        unsafe { *self.input.get() = Vec::new() };
        code
    }

    #[allow(clippy::mut_from_ref)]
    fn machine(&self) -> &mut M {
        // SAFETY: as for Sync; each export takes the reference once.
        match unsafe { &mut *self.machine.get() } {
            Some(machine) => machine,
            None => trap(
                &"the machine has not been started: grout_init comes first",
                None,
            ),
        }
    }

    fn input(&self, len: u32) -> &[u8] {
        // SAFETY: as for Sync; each export takes the reference once.
        let input = unsafe { &mut *self.input.get() };
        let len = len as usize;
        if input.len() < len {
            input.resize(len, 0);
        }
        // SAFETY: input has len bytes.
        let read = unsafe { host::input_read(input.as_mut_ptr(), 0, len as u32) };
        &input[..read as usize]
    }
}

/// The context of every call: on this side it holds nothing.
static CALL: Context = Context { env: Environment };

/// Hands a call's result to the host and returns the export's.
fn answer(result: Result) -> i32 {
    match result {
        // SAFETY: in both cases the bytes live through the call.
        Ok(reply) if reply.is_empty() => 0,
        Ok(reply) => {
            unsafe { host::output_write(reply.as_ptr(), reply.len() as u32) };
            0
        }
        Err(refusal) => refused(&refusal),
    }
}

fn refused(refusal: &Refusal) -> i32 {
    let message = refusal.message();
    // SAFETY: the bytes live through the call.
    unsafe { host::error_write(message.as_ptr(), message.len() as u32) };
    refusal.code()
}

/// Ends the call as a trap: "panic: TEXT at FILE:LINE".
fn trap(text: &dyn fmt::Display, place: Option<&Location<'_>>) -> ! {
    let message = match place {
        Some(place) => alloc::format!("panic: {} at {}:{}", text, place.file(), place.line()),
        None => alloc::format!("panic: {text}"),
    };
    // SAFETY: the bytes live through the call, which does not return.
    unsafe { host::abort(message.as_ptr(), message.len() as u32) }
}

#[cfg(feature = "std")]
fn report_panics() {
    std::panic::set_hook(std::boxed::Box::new(|info| {
        let payload = info.payload();
        let text = match (
            payload.downcast_ref::<&str>(),
            payload.downcast_ref::<String>(),
        ) {
            (Some(text), _) => text,
            (_, Some(text)) => text.as_str(),
            _ => "a value that is no text",
        };
        trap(&text, info.location())
    }));
}

#[cfg(not(feature = "std"))]
fn report_panics() {}

#[cfg(not(feature = "std"))]
#[panic_handler]
fn panicked(info: &core::panic::PanicInfo<'_>) -> ! {
    trap(info, None) // its text has the place
}

/// Asks the host. It is empty: a machine pays only for what it asks.
pub(crate) struct Environment;

// SAFETY of all functions: the bytes live through the calls, and the host writes no more than it was told there is room for.
impl Environment {
    pub fn index(&self) -> u64 {
        unsafe { host::ctx_index() }
    }

    pub fn term(&self) -> u64 {
        unsafe { host::ctx_term() }
    }

    pub fn time_nanos(&self) -> u64 {
        unsafe { host::ctx_time() as u64 }
    }

    pub fn caller(&self) -> String {
        let mut name = alloc::vec![0; 64];
        loop {
            let len = unsafe { host::ctx_caller(name.as_mut_ptr(), name.len() as u32) } as usize;
            let room = name.len();
            name.resize(len, 0);
            if len <= room {
                return String::from_utf8_lossy(&name).into_owned();
            }
        }
    }

    pub fn random(&self, bytes: &mut [u8]) {
        unsafe { host::random(bytes.as_mut_ptr(), bytes.len() as u32) }
    }

    pub fn log(&self, level: Level, text: &str) {
        unsafe { host::log(level as i32, text.as_ptr(), text.len() as u32) }
    }

    pub fn emit(&self, suffix: &str, payload: &[u8]) {
        unsafe {
            host::emit(
                suffix.as_ptr(),
                suffix.len() as u32,
                payload.as_ptr(),
                payload.len() as u32,
            )
        }
    }
}
