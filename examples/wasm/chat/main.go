// Command chat keeps rooms: what was said in them, and who is present. It is made with package sdk/typed; its requests are those of
// package protocol, and README.md describes them.
package main

import (
	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/typed"
)

func init() { sdk.Register(newChat().machine) }

func main() {} // never runs: the host calls the machine

// newChat returns a machine and what is behind it.
func newChat() *chat {
	c := &chat{machine: typed.New(typed.Either)}
	c.clear()
	typed.Command(c.machine, "join", c.join)
	typed.Command(c.machine, "leave", c.leave)
	typed.Command(c.machine, "post", c.post)
	typed.Command(c.machine, "edit", c.edit)
	typed.Command(c.machine, "delete", c.remove)
	typed.Command(c.machine, "close", c.closeRoom)
	typed.Query(c.machine, "history", c.history)
	typed.Query(c.machine, "since", c.since)
	typed.Query(c.machine, "who", c.who)
	typed.Query(c.machine, "rooms", c.list)
	typed.State(c.machine, c.save, c.load)
	return c
}
