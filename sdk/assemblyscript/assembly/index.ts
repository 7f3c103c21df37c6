// The Grout SDK: a replicated state machine is a class that extends Machine.
//
//	import { Context, Machine, Result, register } from "grout/assembly";
//	export * from "grout/assembly/exports";
//
//	class Tally extends Machine {
//	  private count: u64 = 0; // state is ordinary values: Grout replicates, snapshots and rolls it back
//
//	  apply(ctx: Context, command: Uint8Array): Result {
//	    if (command.length == 0) return ctx.refuse(1, "there is nothing to count");
//	    this.count += command.length;
//	    return ctx.reply(this.count.toString());
//	  }
//
//	  query(ctx: Context, query: Uint8Array): Result {
//	    return ctx.reply(this.count.toString());
//	  }
//	}
//
//	register(new Tally());
//
// `grout build` compiles it, with what asconfig.json says. Every member of a group runs the same commands in the same order and has to
// come to the same state. There is no way not to: there are no files and no network, Math.random derives from the group's seed, and
// Context has the clock and the random bytes, equal on every member. A module that uses Date.now, console or process is refused.
//
// What throws, or fails an assert, traps the call with its text and place; what the call changed is undone. A refusal is a result,
// since AssemblyScript cannot catch.

import * as host from "./host";

// Result is how a call ended: what Context's reply, done and refuse return.
export type Result = i32;

// Level is the severity of a log line.
export enum Level {
  Debug = 0,
  Info = 1,
  Warn = 2,
  Error = 3,
}

// Machine is a replicated state machine. Its methods are never called concurrently.
export abstract class Machine {
  // Called once, before the first command, with the argument given at deploy, often empty. A refusal fails the deploy.
  init(ctx: Context, argument: Uint8Array): Result {
    return ctx.done();
  }

  // Runs one command. A refusal undoes what it changed and discards what it emitted.
  abstract apply(ctx: Context, command: Uint8Array): Result;

  // Answers one query. Whatever it changes is undone.
  abstract query(ctx: Context, query: Uint8Array): Result;

  // Replies with the whole state, in a form that the next module's migrate reads. A form that says its own version keeps later
  // upgrades simple.
  export(ctx: Context): Result {
    return ctx.refuse(1, "this machine cannot be upgraded: give it a method export");
  }

  // Takes over the state that the machine before exported. It is called once, after init, and cannot emit. A refusal leaves the old
  // module and its state in place.
  migrate(ctx: Context, state: Uint8Array): Result {
    return ctx.refuse(1, "this machine cannot migrate: give it a method migrate");
  }
}

// Context is what a machine may know of the entry it runs, and how it speaks to the outside. All of it is equal on every member.
// What goes out is a string, written as UTF-8, a Uint8Array or an ArrayBuffer.
export class Context {
  // Appends to the reply, and ends the call well where it is returned. Past the group's output limit the call traps.
  reply<T>(bytes: T): Result {
    const out = bytesOf(bytes);
    host.output_write(pointer(out), out.byteLength);
    return 0;
  }

  // Ends the call well where it is returned, without a reply.
  done(): Result {
    return 0;
  }

  // Refuses the call where it is returned, with a code for the client's program and a message for its user, of which the host keeps
  // 4,096 bytes. A code below 1 becomes 1, since 0 and less mean other things on the wire.
  refuse(code: i32, message: string): Result {
    const out = bytesOf(message);
    host.error_write(pointer(out), out.byteLength);
    return max(code, 1);
  }

  // The entry's position in the log. In a query it is that of the last applied entry.
  index(): u64 {
    return host.ctx_index();
  }

  // The leader's term in which the entry was made.
  term(): u64 {
    return host.ctx_term();
  }

  // Nanoseconds since the Unix epoch, stamped by the leader; it never falls from entry to entry. In a query it is the stamp of the last
  // applied entry.
  time(): i64 {
    return host.ctx_time();
  }

  // The name that the client gave in the header Grout-Caller, or "". It says who the client claims to be: the host does not verify it.
  caller(): string {
    let name = new ArrayBuffer(64);
    const length = <i32>host.ctx_caller(pointer(name), name.byteLength);
    if (length > name.byteLength) {
      name = new ArrayBuffer(length);
      host.ctx_caller(pointer(name), length);
    }
    return String.UTF8.decodeUnsafe(pointer(name), length);
  }

  // Fills bytes with random ones that derive from the group's seed and the entry's index, so that every member gets the same. Anyone
  // who knows the seed can predict them: use them for dice and jitter, never for secrets.
  random(bytes: Uint8Array): void {
    if (bytes.length > 0) host.random(bytes.dataStart, bytes.length);
  }

  // The next eight bytes of random, as a number.
  randomU64(): u64 {
    const bytes = new ArrayBuffer(8);
    host.random(pointer(bytes), 8);
    return load<u64>(pointer(bytes));
  }

  // Writes one line for the operator. It is no part of the machine's state: every member writes its own, and a replayed command writes
  // it again.
  log(level: Level, text: string): void {
    const out = bytesOf(text);
    host.log(level, pointer(out), out.byteLength);
  }

  // Publishes at grout.v1.<group>.evt.<suffix> after the command has committed, at least once; a refused or trapped command emits
  // nothing. The suffix is one or more NATS tokens joined by dots, such as "order.created", of 128 bytes at most; one that is not, and
  // any emit outside of commands, traps.
  emit<T>(suffix: string, bytes: T): void {
    const name = bytesOf(suffix);
    const out = bytesOf(bytes);
    host.emit(pointer(name), name.byteLength, pointer(out), out.byteLength);
  }
}

let registered: Machine | null = null;

// register makes a machine the module's. The file that has it calls it once, outside of any function.
export function register(machine: Machine): void {
  assert(registered === null, "register is called twice: a module has one machine");
  registered = machine;
}

// machine is the module's machine.
export function machine(): Machine {
  const machine = registered;
  if (machine === null) throw new Error("no machine: call register(new YourMachine()) in assembly/index.ts, outside of any function");
  return machine;
}

// text reads bytes as UTF-8.
export function text(bytes: Uint8Array): string {
  return String.UTF8.decodeUnsafe(bytes.dataStart, bytes.length);
}

// bytesOf is the bytes of a string, a Uint8Array or an ArrayBuffer. A Uint8Array that is a part of a buffer is copied.
function bytesOf<T>(value: T): ArrayBuffer {
  if (isString<T>()) return String.UTF8.encode(<string>value);
  if (value instanceof ArrayBuffer) return <ArrayBuffer>value;
  if (value instanceof Uint8Array) {
    const array = <Uint8Array>value;
    if (array.byteLength == array.buffer.byteLength) return array.buffer;
    return array.buffer.slice(array.byteOffset, array.byteOffset + array.byteLength);
  }
  ERROR("bytes are a string, a Uint8Array or an ArrayBuffer");
}

// @ts-ignore: decorator
@inline
function pointer(bytes: ArrayBuffer): usize {
  return changetype<usize>(bytes);
}

let aborting = false;

// abort stands for the language's own, which throw and assert call: asconfig.json says so. Where there is no memory left for its text,
// it ends the call without one.
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  if (aborting) unreachable();
  aborting = true;
  let what = "panic: " + (message === null ? "no message" : message);
  if (file !== null) what += " at " + file + ":" + line.toString();
  const out = String.UTF8.encode(what);
  host.abort(pointer(out), out.byteLength);
  unreachable();
}

// trace stands for the language's own: a line for the operator, at the level of debugging, with the first n of the numbers.
export function trace(message: string, n: i32 = 0, a0: f64 = 0, a1: f64 = 0, a2: f64 = 0, a3: f64 = 0, a4: f64 = 0): void {
  const numbers: StaticArray<f64> = [a0, a1, a2, a3, a4];
  for (let i = 0; i < min(n, 5); i++) message += " " + numbers[i].toString();
  const out = String.UTF8.encode(message);
  host.log(Level.Debug, pointer(out), out.byteLength);
}

// seed stands for the language's own, which Math.random begins with.
export function seed(): f64 {
  const bytes = new ArrayBuffer(8);
  host.random(pointer(bytes), 8);
  return reinterpret<f64>(load<u64>(pointer(bytes)));
}
