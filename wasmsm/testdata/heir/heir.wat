;; A machine for the tests of upgrades. Its state is the last command; an heir's begins with "2:".
;; Build: wat2wasm --debug-names heir.wat -o heir.wasm
(module
  (import "grout_v1" "input_read" (func $input_read (param i32 i32 i32) (result i32)))
  (import "grout_v1" "output_write" (func $output_write (param i32 i32)))
  (import "grout_v1" "error_write" (func $error_write (param i32 i32)))
  (import "grout_v1" "ctx_index" (func $ctx_index (result i64)))
  (import "grout_v1" "emit" (func $emit (param i32 i32 i32 i32)))
  (memory (export "memory") 1 64)
  (global $size (mut i32) (i32.const 0))
  (data (i32.const 0) "as asked")

  ;; An init argument that begins with 'x' is refused.
  (func (export "grout_init") (param $len i32) (result i32)
    (drop (call $input_read (i32.const 8) (i32.const 0) (i32.const 1)))
    (if (result i32) (i32.and (i32.ne (local.get $len) (i32.const 0)) (i32.eq (i32.load8_u (i32.const 8)) (i32.const 120)))
      (then (i32.const 5)) (else (i32.const 0))))

  (func (export "grout_apply") (param $len i32) (result i32)
    (drop (call $input_read (i32.const 1024) (i32.const 0) (local.get $len)))
    (global.set $size (local.get $len))
    (i32.const 0))

  (func (export "grout_query") (param $len i32) (result i32)
    (call $output_write (i32.const 1024) (global.get $size))
    (i32.const 0))

  ;; A state that begins with 'r' is not exported, at one with 't' the export traps, one with 'b' is too large.
  (func (export "grout_export") (param $len i32) (result i32)
    (local $first i32)
    (local.set $first (i32.load8_u (i32.const 1024)))
    (if (i32.eq (local.get $first) (i32.const 114))
      (then (call $error_write (i32.const 0) (i32.const 8)) (return (i32.const 7))))
    (if (i32.eq (local.get $first) (i32.const 116)) (then unreachable))
    (if (i32.eq (local.get $first) (i32.const 98))
      (then (loop $more (call $output_write (i32.const 0) (i32.const 65536)) (br $more))))
    (call $output_write (i32.const 1024) (global.get $size))
    (global.set $size (i32.const 1))
    (i32.store8 (i32.const 1024) (i32.const 33))
    (i32.const 0))

  ;; An exported state that begins with 'R' is refused, 'T' traps, 'E' emits an event, 'I' becomes the index.
  (func (export "grout_migrate") (param $len i32) (result i32)
    (local $first i32)
    (drop (call $input_read (i32.const 1026) (i32.const 0) (local.get $len)))
    (local.set $first (i32.load8_u (i32.const 1026)))
    (i32.store16 (i32.const 1024) (i32.const 0x3a32))
    (global.set $size (i32.add (local.get $len) (i32.const 2)))
    (if (i32.eq (local.get $first) (i32.const 82))
      (then (call $error_write (i32.const 0) (i32.const 8)) (return (i32.const 9))))
    (if (i32.eq (local.get $first) (i32.const 84)) (then unreachable))
    (if (i32.eq (local.get $first) (i32.const 69))
      (then (call $emit (i32.const 0) (i32.const 2) (i32.const 0) (i32.const 1))))
    (if (i32.eq (local.get $first) (i32.const 73))
      (then (i32.store8 (i32.const 1026) (i32.add (i32.const 48) (i32.wrap_i64 (call $ctx_index))))))
    (i32.const 0)))
