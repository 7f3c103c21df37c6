//go:build wasip1

// Command goguest is a state machine for the tests, on the raw ABI: a map of counters in the Go
// heap, and one command for each thing that a guest can do wrong.
package main

import (
	"errors"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
	"unsafe"
)

//go:wasmimport grout_v1 input_read
func inputRead(dst unsafe.Pointer, offset, n uint32) uint32

//go:wasmimport grout_v1 output_write
func outputWrite(ptr unsafe.Pointer, n uint32)

//go:wasmimport grout_v1 error_write
func errorWrite(ptr unsafe.Pointer, n uint32)

//go:wasmimport grout_v1 emit
func emitRaw(suffix unsafe.Pointer, suffixLen uint32, ptr unsafe.Pointer, n uint32)

//go:wasmimport wasi_snapshot_preview1 random_get
func randomGet(ptr unsafe.Pointer, n uint32) uint32

//go:wasmimport grout_v1 ctx_index
func ctxIndex() uint64

//go:wasmimport grout_v1 abort
func abortRaw(ptr unsafe.Pointer, n uint32)

var (
	counters = map[string]int64{}
	ballast  [][]byte
	started  = time.Now()
	input    = make([]byte, 1<<16)
	one      = []byte{0}
	// marks are spread over many pages.
	marks [300 * 4096]byte
)

func data(b []byte) unsafe.Pointer {
	if len(b) == 0 {
		return unsafe.Pointer(&one[0])
	}
	return unsafe.Pointer(&b[0])
}

func read(n uint32) string {
	if n == 0 {
		return ""
	}
	if int(n) > len(input) {
		input = make([]byte, n)
	}
	inputRead(data(input), 0, n)
	return string(input[:n])
}

func reply(s string) int32 {
	b := []byte(s)
	outputWrite(data(b), uint32(len(b)))
	return 0
}

func refuse(code int32, err error) int32 {
	b := []byte(err.Error())
	errorWrite(data(b), uint32(len(b)))
	return code
}

//go:wasmexport grout_init
func groutInit(n uint32) int32 {
	switch arg := read(n); arg {
	case "":
		return 0
	case "refuse":
		return refuse(7, errors.New("no such configuration"))
	case "panic":
		panic("init went wrong")
	default:
		counters["init"] = int64(len(arg))
		return 0
	}
}

//go:wasmexport grout_apply
func groutApply(n uint32) int32 {
	verb, arg, _ := strings.Cut(read(n), " ")
	switch verb {
	case "add":
		counters[arg]++
		return reply(strconv.FormatInt(counters[arg], 10))
	case "mark":
		n, _ := strconv.Atoi(arg)
		counters["mark"] = int64(n)
		for i := 0; i < len(marks); i += 4096 {
			marks[i] = byte(n)
		}
		if n%5 == 0 {
			return refuse(5, errors.New("not this one"))
		}
		return 0
	case "grow":
		mib, _ := strconv.Atoi(arg)
		for range mib {
			ballast = append(ballast, make([]byte, 1<<20))
			ballast[len(ballast)-1][77] = 1
		}
		return reply(strconv.Itoa(len(ballast)))
	case "fill":
		for _, b := range ballast {
			for i := 0; i < len(b); i += 512 {
				b[i] = 1
			}
		}
		return 0
	case "touch":
		// One byte in each of as many pages of 64 KiB.
		n, _ := strconv.Atoi(arg)
		for i := range n {
			ballast[i/16][i%16<<16]++
		}
		return 0
	case "free":
		ballast = nil
		runtime.GC()
		return 0
	case "event":
		s, b := []byte("changed"), []byte(arg)
		emitRaw(data(s), uint32(len(s)), data(b), uint32(len(b)))
		return 0
	}
	return misbehave(verb, arg)
}

func misbehave(verb, arg string) int32 {
	counters["misbehaved"]++
	switch verb {
	case "refuse":
		return refuse(42, errors.New("refused: "+arg))
	case "index":
		i, _ := strconv.Atoi(arg)
		return reply(strconv.Itoa([]int{1, 2, 3}[i]))
	case "panic":
		panic(errors.New(arg))
	case "deadlock":
		<-make(chan int)
	case "recurse":
		return reply(strconv.Itoa(recurse(1)))
	case "exit":
		os.Exit(3)
	case "abort":
		b := []byte(arg)
		abortRaw(data(b), uint32(len(b)))
	case "growpanic":
		ballast = append(ballast, make([]byte, 20<<20))
		panic("after growing")
	}
	return refuse(1, errors.New("unknown command"))
}

func recurse(n int) int { return recurse(n+1) + n }

//go:wasmexport grout_query
func groutQuery(n uint32) int32 {
	verb, arg, _ := strings.Cut(read(n), " ")
	switch verb {
	case "get":
		return reply(strconv.FormatInt(counters[arg], 10))
	case "put":
		counters[arg] = 1_000_000
		return reply("written")
	case "marks":
		// All marks, looked at again and again, are those of the counter.
		times, _ := strconv.Atoi(arg)
		for range times {
			for i := 0; i < len(marks); i += 4096 {
				if marks[i] != byte(counters["mark"]) {
					return refuse(8, errors.New("mark "+strconv.Itoa(i/4096)+" is another"))
				}
			}
		}
		clear(marks[:])
		return reply(strconv.FormatInt(counters["mark"], 10))
	case "growing":
		ballast = append(ballast, make([]byte, 6<<20))
		return reply(strconv.Itoa(len(ballast)))
	case "boom":
		ballast = append(ballast, make([]byte, 6<<20))
		clear(marks[:])
		panic("as asked")
	case "env":
		os.Stdout.WriteString("to standard output\n")
		os.Stderr.WriteString("to standard error\n")
		_, err := os.ReadFile("/etc/passwd")
		return reply("args=" + strconv.Itoa(len(os.Args)) + " env=" + strconv.Itoa(len(os.Environ())) + " error=" + strconv.FormatBool(err != nil))
	case "sleep":
		before := time.Now()
		time.Sleep(3 * time.Second)
		return reply(before.UTC().Format(time.RFC3339) + " " + time.Since(before).String())
	case "random":
		b := make([]byte, 8)
		if errno := randomGet(data(b), 8); errno != 0 {
			return refuse(2, errors.New("random_get failed"))
		}
		outputWrite(data(b), 8)
		return 0
	case "started":
		return reply(started.UTC().Format(time.RFC3339))
	case "index":
		return reply(strconv.FormatUint(ctxIndex(), 10))
	case "event":
		emitRaw(data(one), 1, data(one), 1)
	}
	return refuse(1, errors.New("unknown query"))
}

func main() {}
