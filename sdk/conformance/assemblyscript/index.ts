// The conformance machine in AssemblyScript: ../README.md says what it does, and machines in the other languages do the same.
import { Context, Level, Machine, Result, register, text } from "grout/assembly";

export * from "grout/assembly/exports";

const maxName = 64;
const space: u8 = 0x20;
const newline: u8 = 0x0a;

// Conformance has a name, a count, and filler that makes it large.
class Conformance extends Machine {
  private name: string = "";
  private count: u64 = 0;
  private filler: Uint8Array = new Uint8Array(0);

  init(ctx: Context, argument: Uint8Array): Result {
    if (argument.length > maxName) return ctx.refuse(5, `a name has at most ${maxName} bytes, this one has ${argument.length}`);
    this.name = text(argument);
    ctx.log(Level.Debug, `begun as ${this.name}`);
    return ctx.done();
  }

  apply(ctx: Context, command: Uint8Array): Result {
    this.count++;
    const word = before(command, space);
    const rest = after(command, space);
    if (word == "") return ctx.refuse(7, `command ${this.count} is empty`);
    if (word == "add") {
      this.count += rest.length;
      return ctx.reply(this.count.toString());
    }
    if (word == "emit") {
      ctx.emit(before(rest, space), after(rest, space));
      ctx.emit("count", this.count.toString());
      return ctx.done();
    }
    if (word == "fill") {
      this.filler = new Uint8Array(<i32>number(text(rest))).fill(0x66);
      return ctx.done();
    }
    while (word == "spin") this.count++;
    return this.answer(ctx, word, rest);
  }

  query(ctx: Context, query: Uint8Array): Result {
    const word = before(query, space);
    const rest = after(query, space);
    if (word == "") return ctx.reply(`${this.name} ${this.count} ${this.filler.length}`);
    if (word == "touch") {
      this.count += 1000;
      return ctx.reply(this.count.toString());
    }
    if (word == "emit") ctx.emit("query", rest);
    return this.answer(ctx, word, rest);
  }

  export(ctx: Context): Result {
    ctx.reply(`1 ${this.count} ${this.filler.length}\n`);
    return ctx.reply(this.filler);
  }

  migrate(ctx: Context, state: Uint8Array): Result {
    const fields = before(state, newline).split(" ");
    const filler = after(state, newline);
    if (fields.length != 3 || fields[0] != "1" || number(fields[2]) != filler.length) {
      return ctx.refuse(6, "the state is of another version");
    }
    this.count = number(fields[1]);
    this.filler = filler;
    ctx.log(Level.Info, `took over ${state.length} bytes`);
    return ctx.done();
  }

  // answer does what commands and queries have in common.
  private answer(ctx: Context, word: string, rest: Uint8Array): Result {
    if (word == "context") return ctx.reply(`${ctx.index()} ${ctx.term()} ${ctx.time()} ${ctx.caller()}`);
    if (word == "random") {
      const drawn = new Uint8Array(<i32>number(text(rest)));
      ctx.random(drawn);
      const next = new Uint8Array(8);
      store<u64>(next.dataStart, ctx.randomU64());
      ctx.reply(drawn);
      return ctx.reply(next);
    }
    if (word == "echo") return ctx.reply(rest);
    if (word == "large") return ctx.reply("x".repeat(<i32>number(text(rest))));
    if (word == "log") {
      ctx.log(<Level>number(before(rest, space)), text(after(rest, space)));
      return ctx.done();
    }
    if (word == "refuse") {
      ctx.log(Level.Warn, "refusing");
      return ctx.refuse(<i32>number(before(rest, space)), text(after(rest, space)));
    }
    if (word == "panic") throw new Error("as asked"); // the place of the panic
    return ctx.refuse(2, `there is no ${word}`);
  }
}

// before and after divide bytes at the first separator.
function before(bytes: Uint8Array, separator: u8): string {
  const at = bytes.indexOf(separator);
  return text(at < 0 ? bytes : bytes.subarray(0, at));
}

function after(bytes: Uint8Array, separator: u8): Uint8Array {
  const at = bytes.indexOf(separator);
  return at < 0 ? new Uint8Array(0) : bytes.subarray(at + 1);
}

// number reads decimal digits, up to the first character that is none.
function number(digits: string): u64 {
  let n: u64 = 0;
  for (let i = 0; i < digits.length; i++) {
    const digit = digits.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) break;
    n = n * 10 + digit;
  }
  return n;
}

register(new Conformance());
