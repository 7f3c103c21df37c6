//go:build wasip1

// Command goguest has the workloads of the benchmark that are written in Go. A command is the name of one
// byte and the number of rounds, little-endian.
package main

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"unsafe"
)

//go:wasmimport grout_v1 input_read
func inputRead(dst unsafe.Pointer, offset, n uint32) uint32

//go:wasmimport grout_v1 output_write
func outputWrite(ptr unsafe.Pointer, n uint32)

func main() {}

//go:wasmexport grout_init
func groutInit(uint32) int32 { return 0 }

//go:wasmexport grout_query
func groutQuery(n uint32) int32 { return groutApply(n) }

var input [64]byte

//go:wasmexport grout_apply
func groutApply(uint32) int32 {
	inputRead(unsafe.Pointer(&input), 0, 64)
	rounds := int(binary.LittleEndian.Uint32(input[1:]))
	sum := uint64(0)
	for i := range rounds {
		switch input[0] {
		case 'm':
			sum += maps(i)
		case 'l':
			sum += loops(i)
		case 'c':
			sum += fib(20)
		case 'f':
			sum += floats(i)
		case 'b':
			sum += bytes(i)
		case 'j':
			sum += objects(i)
		case 't':
			sum += tiny()
		}
	}
	outputWrite(unsafe.Pointer(&sum), 8)
	return 0
}

var table = map[string]int{}

// maps counts words in a map.
func maps(round int) uint64 {
	for i := range 200 {
		table["key-"+strconv.Itoa((i*7919+round)%1000)]++
	}
	return uint64(len(table))
}

var numbers [4096]uint32

// loops fills and sorts.
func loops(round int) uint64 {
	x := uint32(round + 1)
	part := numbers[:512]
	for i := range part {
		x = x*1664525 + 1013904223
		part[i] = x
	}
	slices.Sort(part)
	return uint64(part[100])
}

// fib is calls and little else.
func fib(n uint32) uint64 {
	if n < 2 {
		return uint64(n)
	}
	return fib(n-1) + fib(n-2)
}

// floats integrates a pendulum.
func floats(round int) uint64 {
	angle, speed := 0.1+float64(round%7), 0.0
	for range 500 {
		speed -= 9.81 * math.Sin(angle) * 0.001
		angle += speed * 0.001
	}
	return math.Float64bits(angle)
}

var from, to [1 << 16]byte

// bytes moves and compares memory.
func bytes(round int) uint64 {
	from[round%len(from)]++
	copy(to[:], from[:])
	n := uint64(0)
	for i := 0; i < len(to); i += 16 {
		n += uint64(to[i])
	}
	return n
}

type order struct {
	ID    int      `json:"id"`
	Name  string   `json:"name"`
	Items []string `json:"items"`
}

// objects writes JSON and reads it.
func objects(round int) uint64 {
	text, err := json.Marshal(order{round, "somebody", []string{"one", "two", "three"}})
	if err != nil {
		panic(err)
	}
	var back order
	if err := json.Unmarshal(text, &back); err != nil {
		panic(err)
	}
	return uint64(back.ID)
}

var counter uint64

// tiny is what a small command does.
func tiny() uint64 {
	counter += uint64(input[5])
	return counter
}
