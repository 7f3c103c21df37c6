// Package chaos holds no code: its test runs three host processes over a NATS server process, kills
// hosts with SIGKILL while clients work, and checks what the clients saw.
package chaos
