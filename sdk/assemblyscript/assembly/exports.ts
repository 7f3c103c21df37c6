// What the host calls. A machine's assembly/index.ts exports it: export * from "grout/assembly/exports";

import { Context, machine } from "./index";
import * as host from "./host";

const context = new Context();

export function grout_init(len: u32): i32 {
  return machine().init(context, input(len));
}

export function grout_apply(len: u32): i32 {
  return machine().apply(context, input(len));
}

export function grout_query(len: u32): i32 {
  return machine().query(context, input(len));
}

export function grout_export(len: u32): i32 {
  return machine().export(context);
}

export function grout_migrate(len: u32): i32 {
  return machine().migrate(context, input(len));
}

// input is the call's. Each call has its own, so a machine may keep it.
function input(len: u32): Uint8Array {
  const bytes = new Uint8Array(len);
  if (len > 0) host.input_read(bytes.dataStart, 0, len);
  return bytes;
}
