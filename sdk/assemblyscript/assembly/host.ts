// The host's functions; docs/ABI.md describes them. They read and write memory only during the call.

// @ts-ignore: decorator
@external("grout_v1", "input_read")
export declare function input_read(dst: usize, offset: u32, len: u32): u32;
// @ts-ignore: decorator
@external("grout_v1", "output_write")
export declare function output_write(bytes: usize, len: u32): void;
// @ts-ignore: decorator
@external("grout_v1", "error_write")
export declare function error_write(bytes: usize, len: u32): void;
// @ts-ignore: decorator
@external("grout_v1", "ctx_index")
export declare function ctx_index(): u64;
// @ts-ignore: decorator
@external("grout_v1", "ctx_term")
export declare function ctx_term(): u64;
// @ts-ignore: decorator
@external("grout_v1", "ctx_time")
export declare function ctx_time(): i64;
// @ts-ignore: decorator
@external("grout_v1", "ctx_caller")
export declare function ctx_caller(dst: usize, len: u32): u32;
// @ts-ignore: decorator
@external("grout_v1", "random")
export declare function random(dst: usize, len: u32): void;
// @ts-ignore: decorator
@external("grout_v1", "log")
export declare function log(level: i32, text: usize, len: u32): void;
// @ts-ignore: decorator
@external("grout_v1", "emit")
export declare function emit(suffix: usize, suffix_len: u32, bytes: usize, len: u32): void;
// @ts-ignore: decorator
@external("grout_v1", "abort")
export declare function abort(text: usize, len: u32): void;
