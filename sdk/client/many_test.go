package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/groutlabs/grout/sdk/api"
)

// ends formats the results of a batch.
func ends(results []BatchResult) []string {
	var out []string
	for _, r := range results {
		text := string(r.Result.Output)
		if r.Err != nil {
			text = r.Err.Error()
		}
		out = append(out, text)
	}
	return out
}

func many(commands ...string) [][]byte {
	var out [][]byte
	for _, c := range commands {
		out = append(out, []byte(c))
	}
	return out
}

// A batch is one request, may begin a session, and comes back with the end of each command in its place.
func TestExecuteMany(t *testing.T) {
	url := runServer(t)
	hosts := newCluster(t, url, "a")
	hosts.respond = func(command string) (string, natsgo.Header) {
		switch command {
		case "no":
			return "not so", natsgo.Header{errorHeader: {"not so"}, errorCodeHeader: {"409"}, api.HeaderMachineCode: {"-7"}}
		case "boom":
			return "out of fuel", natsgo.Header{errorHeader: {"out of fuel"}, errorCodeHeader: {"422"}}
		}
		return "", nil
	}
	c := dialTest(t, url)
	results, err := c.Group("g").ExecuteMany(limited(t), many("1", "no", "boom", ""))
	want := []string{"1", "client: refused by the machine with code -7: not so", "client: the machine trapped: out of fuel", ""}
	if err != nil || !slices.Equal(ends(results), want) {
		t.Errorf("%q, %v", ends(results), err)
	}
	for i, r := range results {
		if r.Result.Index != uint64(i+1) || r.Result.Term != 3 || r.Result.Duplicate {
			t.Errorf("command %d: %+v", i, r.Result)
		}
	}
	if r, err := c.Group("g").Execute(limited(t), []byte("2")); err != nil || r.Index != 5 {
		t.Errorf("%+v, %v", r, err)
	}
	hosts.once("1", "no", "boom", "", "2")
	if n := len(hosts.subjects); n != 2 {
		t.Errorf("%d requests were sent", n)
	}
}

// What is lost, doubled, cut off by a change of leader or refused for a while is completed, each command of
// each batch once, in the order of the batch.
func TestManyWithLosses(t *testing.T) {
	url := runServer(t)
	hosts := newCluster(t, url, "a", "b")
	r := seeded(t)
	hosts.fate = func(string, *natsgo.Msg) fate {
		if r.IntN(3) == 0 {
			return fate(r.IntN(int(fates)))
		}
		return answer
	}
	cutting := false
	hosts.cut = func(command string) bool {
		if command[len(command)-1] == '0' {
			cutting = false // a leader's death cuts the end of one batch
		}
		cutting = cutting || r.IntN(20) == 0
		return cutting
	}
	c := dialTest(t, url)
	var all []string
	for b := range 50 {
		var commands []string
		for i := range 1 + r.IntN(10) {
			commands = append(commands, fmt.Sprintf("b%d-%d", b, i))
		}
		results, err := c.Group("g").ExecuteMany(limited(t), many(commands...))
		if err != nil || !slices.Equal(ends(results), commands) {
			t.Fatalf("%q, %v", ends(results), err)
		}
		all = append(all, commands...)
	}
	hosts.once(all...)
	if !slices.Equal(hosts.log, all) {
		t.Errorf("applied in the order %v", hosts.log)
	}
	if s := c.Stats(); s.Retries == 0 || s.Duplicates == 0 {
		t.Errorf("%+v", s)
	}
}

// A batch that is given up says of each of its commands what is known of it.
func TestManyGivenUp(t *testing.T) {
	url := runServer(t)
	hosts := newCluster(t, url, "a")
	c := dialTest(t, url)
	hosts.cut = func(command string) bool { return command == "2" || command == "3" }
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	results, err := c.Group("g").ExecuteMany(ctx, many("1", "2", "3"))
	if err != nil || len(results) != 3 || results[0].Err != nil || string(results[0].Result.Output) != "1" {
		t.Fatalf("%q, %v", ends(results), err)
	}
	for _, r := range results[1:] {
		if !errors.Is(r.Err, context.DeadlineExceeded) || !errors.Is(r.Err, &Error{Code: api.CodeNoLeader}) {
			t.Errorf("%v", r.Err)
		}
	}
	if results, err := c.Group("g").ExecuteMany(t.Context(), nil); !errors.Is(err, ErrBadBatch) {
		t.Errorf("%v, %v", results, err)
	}
	if results, err := c.Group("g").ExecuteMany(t.Context(), make([][]byte, api.MaxBatch+1)); !errors.Is(err, ErrBadBatch) {
		t.Errorf("%v, %v", results, err)
	}
	for _, r := range must(c.Group("g").ExecuteMany(t.Context(), [][]byte{make([]byte, 100<<10), nil})) {
		if !errors.Is(r.Err, &Error{Code: api.CodeTooLarge}) {
			t.Errorf("%v", r.Err)
		}
	}
	if results, err := c.Group("?").ExecuteMany(t.Context(), many("1")); !errors.Is(err, ErrBadName) || results != nil {
		t.Errorf("%v, %v", results, err)
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// When the hosts forget a pipeline's session, what certainly was not applied goes on in another session, in
// its order, and what may have been applied is called unknown.
func TestPipelineSessionForgotten(t *testing.T) {
	url := runServer(t)
	hosts := newCluster(t, url, "a")
	c := dialTest(t, url)
	p := must(c.Group("g").Pipeline(limited(t), PipelineConfig{}))
	submit := func(from, to int) {
		for i := from; i < to; i++ {
			if _, err := p.Submit(t.Context(), fmt.Append(nil, i)); err != nil {
				t.Error(err)
			}
		}
	}
	submit(0, 10)
	for range 10 {
		if r, err := p.Next(limited(t)); err != nil || r.Err != nil {
			t.Fatal(r, err)
		}
	}
	hosts.do(func() {
		hosts.sessions = map[string]*hostSession{}
		lost := false
		hosts.fate = func(_ string, m *natsgo.Msg) fate {
			if string(m.Data) == "10" && !lost {
				lost = true
				return loseRequest
			}
			return answer
		}
	})
	submit(10, 40)
	p.Close()
	unknown, next := 0, 10
	var good []string
	for r := range p.Results(limited(t)) {
		switch {
		case errors.Is(r.Err, ErrUnknownOutcome):
			unknown++
		case r.Err != nil:
			t.Errorf("command %d: %v", next, r.Err)
		default:
			good = append(good, string(r.Result.Output))
		}
		next++
	}
	if unknown == 0 || next != 40 || !slices.Equal(hosts.log[10:], good) {
		t.Errorf("%d of %d are unknown; applied were %v, answered %v", unknown, next-10, hosts.log[10:], good)
	}
}
