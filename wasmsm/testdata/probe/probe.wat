;; A guest for tests: a command is one operation number and four parameters, 32 bits each, that it
;; hands to the host or to an instruction as they are. Build: wat2wasm --debug-names probe.wat -o probe.wasm
(module
  (import "grout_v1" "input_read" (func $input_read (param i32 i32 i32) (result i32)))
  (import "grout_v1" "output_write" (func $output_write (param i32 i32)))
  (import "grout_v1" "error_write" (func $error_write (param i32 i32)))
  (import "grout_v1" "ctx_index" (func $ctx_index (result i64)))
  (import "grout_v1" "ctx_term" (func $ctx_term (result i64)))
  (import "grout_v1" "ctx_time" (func $ctx_time (result i64)))
  (import "grout_v1" "ctx_caller" (func $ctx_caller (param i32 i32) (result i32)))
  (import "grout_v1" "random" (func $random (param i32 i32)))
  (import "grout_v1" "log" (func $log (param i32 i32 i32)))
  (import "grout_v1" "emit" (func $emit (param i32 i32 i32 i32)))
  (import "grout_v1" "abort" (func $abort (param i32 i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_fdstat_get" (func $fd_fdstat_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))

  (memory (export "memory") 1 8)
  (table 2 funcref)
  (elem (i32.const 0) $bottomless $grout_init)
  (global $g32 (mut i32) (i32.const -1))
  (global $g64 (mut i64) (i64.const -2))
  (global $f32 (mut f32) (f32.const 1.5))
  (global $f64 (mut f64) (f64.const 2.5))
  (global $fixed i32 (i32.const 7))
  (data (i32.const 4096) "data segment")
  (data $passive "passive")

  (func $grout_init (export "grout_init") (param i32) (result i32) (i32.const 0))

  (func $bottomless (param i32) (result i32)
    (i32.add (i32.const 1) (call_indirect (param i32) (result i32) (local.get 0) (i32.const 0))))

  (func $divide (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1)))

  ;; answer writes the number to 512 and makes it the output
  (func $answer (param i32)
    (i32.store (i32.const 512) (local.get 0))
    (call $output_write (i32.const 512) (i32.const 4)))

  (func $globals_and_size
    (i32.store (i32.const 512) (global.get $g32))
    (i64.store (i32.const 516) (global.get $g64))
    (f32.store (i32.const 524) (global.get $f32))
    (f64.store (i32.const 528) (global.get $f64))
    (i32.store (i32.const 536) (memory.size))
    (call $output_write (i32.const 512) (i32.const 28)))

  ;; disturb changes everything that is state
  (func $disturb (param $pages i32)
    (drop (memory.grow (local.get $pages)))
    (i32.store (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 4)) (i32.const 0x55555555))
    (i32.store (i32.const 8192) (i32.add (i32.load (i32.const 8192)) (i32.const 1)))
    (memory.init $passive (i32.const 12288) (i32.const 0) (i32.const 7))
    (global.set $g32 (i32.add (global.get $g32) (i32.const 10)))
    (global.set $g64 (i64.add (global.get $g64) (i64.const 10)))
    (global.set $f32 (f32.add (global.get $f32) (f32.const 10)))
    (global.set $f64 (f64.add (global.get $f64) (f64.const 10))))

  (func $context
    (i64.store (i32.const 512) (call $ctx_index))
    (i64.store (i32.const 520) (call $ctx_term))
    (i64.store (i32.const 528) (call $ctx_time))
    (i32.store (i32.const 536) (call $ctx_caller (i32.const 540) (i32.const 4)))
    (call $output_write (i32.const 512) (i32.const 32)))

  (func $run (export "grout_apply") (export "grout_query") (param $len i32) (result i32)
    (local $a i32) (local $b i32) (local $c i32) (local $d i32)
    (drop (call $input_read (i32.const 256) (i32.const 0) (i32.const 256)))
    (local.set $a (i32.load (i32.const 260)))
    (local.set $b (i32.load (i32.const 264)))
    (local.set $c (i32.load (i32.const 268)))
    (local.set $d (i32.load (i32.const 272)))
    (block $b20 (block $b19 (block $b18 (block $b17 (block $b16 (block $b15 (block $b14 (block $b13 (block $b12
    (block $b11 (block $b10 (block $b9 (block $b8 (block $b7 (block $b6 (block $b5 (block $b4 (block $b3
    (block $b2 (block $b1 (block $b0
      (br_table $b0 $b1 $b2 $b3 $b4 $b5 $b6 $b7 $b8 $b9 $b10 $b11 $b12 $b13 $b14 $b15 $b16 $b17 $b18 $b19 $b20
        (i32.load (i32.const 256)))
    ) (return (local.get $a))                                                          ;; 0 return a
    ) (call $output_write (local.get $a) (local.get $b)) (return (i32.const 0))        ;; 1
    ) (call $error_write (local.get $a) (local.get $b)) (return (local.get $c))        ;; 2
    ) (call $emit (local.get $a) (local.get $b) (local.get $c) (local.get $d)) (return (i32.const 0)) ;; 3
    ) (call $random (local.get $a) (local.get $b))
      (call $output_write (local.get $a) (local.get $b)) (return (i32.const 0))        ;; 4
    ) (i32.store (local.get $a) (local.get $b)) (return (i32.const 0))                 ;; 5
    ) (call $answer (memory.grow (local.get $a))) (return (i32.const 0))               ;; 6
    ) (call $disturb (local.get $a)) (return (local.get $b))                           ;; 7
    ) (call $disturb (local.get $a)) (unreachable)                                     ;; 8
    ) (call $globals_and_size) (return (i32.const 0))                                  ;; 9
    ) (call $abort (local.get $a) (local.get $b)) (return (i32.const 0))               ;; 10
    ) (call $log (local.get $a) (local.get $b) (local.get $c)) (return (i32.const 0))  ;; 11
    ) (call $answer (call $input_read (local.get $a) (local.get $b) (local.get $c))) (return (i32.const 0)) ;; 12
    ) (return (call $bottomless (i32.const 0)))                                        ;; 13
    ) (return (call $divide (local.get $a) (local.get $b)))                            ;; 14
    ) (call $context) (return (i32.const 0))                                           ;; 15
    ) (call $answer (call $fd_write (local.get $a) (local.get $b) (local.get $c) (local.get $d))) (return (i32.const 0)) ;; 16
    ) (call $answer (call $poll_oneoff (local.get $a) (local.get $b) (local.get $c) (local.get $d))) (return (i32.const 0)) ;; 17
    ) (call $answer (call $clock_time_get (local.get $a) (i64.const 0) (local.get $b))) (return (i32.const 0)) ;; 18
    ) (call $proc_exit (local.get $a)) (return (i32.const 0))                          ;; 19
    )
    (call $answer (call $fd_read (local.get $a) (local.get $b) (local.get $c) (local.get $d)))
    (call $answer (call $fd_fdstat_get (local.get $a) (local.get $b)))
    (i32.const 0)))
