package cli

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/groutlabs/grout/sdk/api"
)

// TestLimits shows limits from the command line: set at deploy, shown with what is used, changed, refused with a
// reason, and the alarms of a machine that is near them, in every verb that shows groups.
func TestLimits(t *testing.T) {
	url := cluster(t)
	module := writeFile(t, "tight.wasm", testMachine()) // 17 pages of memory
	g := decode[groupJSON](t, grout(t, url, "deploy", "tight", module, "--json", "--memory", "1280KiB", "--max-output", "64").want(t, Done).out)
	if g.Limits.MemoryBytes != 1280<<10 || g.Limits.OutputBytes != 64 || g.Limits.EventBytes != api.DefaultLimits().EventBytes {
		t.Errorf("deployed with %+v", g.Limits)
	}
	grout(t, url, "exec", "tight", strings.Repeat("a", 64)).want(t, Done)
	grout(t, url, "exec", "tight", strings.Repeat("a", 65)).want(t, Trapped, "the output has more than 64 bytes")
	r := decode[api.LimitsReply](t, grout(t, url, "limits", "tight", "--json").want(t, Done).out)
	if r.Group != "tight" || r.Limits != g.Limits || r.Used.MemoryBytes != 17<<16 || r.Used.OutputBytes != 64 || r.Index != 0 || len(r.Alarms) != 2 {
		t.Errorf("limits says %+v", r)
	}
	grout(t, url, "limits", "tight").want(t, Done).prints(t, "memory_bytes", "1280 KiB", "1088 KiB (85 %)", "--max-output", "alarm  output_bytes: 64 of 64")
	grout(t, url, "info", "tight").want(t, Done).prints(t, "alarm  memory_bytes: 1114112 of 1310720", "memory_bytes 1280 KiB")
	grout(t, url, "members", "tight").want(t, Done).prints(t, "alarm  memory_bytes")
	grout(t, url, "status").want(t, Done).prints(t, "alarm  memory_bytes")
	var status statusJSON
	shown := func() bool { // by a host that leads the group, once it has looked at its groups again
		status = decode[statusJSON](t, grout(t, url, "status", "--json").want(t, Done).out)
		return slices.ContainsFunc(status.Hosts, func(h api.HostStatus) bool {
			return slices.ContainsFunc(h.Groups, func(b api.GroupBrief) bool { return b.Group == "tight" && len(b.Alarms) == 2 })
		})
	}
	for deadline := time.Now().Add(time.Minute); !shown(); {
		if time.Now().After(deadline) {
			t.Fatalf("no host shows the alarms: %+v", status)
		}
	}
	raised := decode[api.LimitsReply](t, grout(t, url, "limits", "tight", "--memory", "2MiB", "--max-output", "1KiB", "--json").want(t, Done).out)
	if raised.Limits.MemoryBytes != 2<<20 || raised.Limits.OutputBytes != 1<<10 || raised.Index == 0 || len(raised.Alarms) != 0 {
		t.Errorf("raised: %+v", raised)
	}
	grout(t, url, "exec", "tight", strings.Repeat("a", 65)).want(t, Done)
	grout(t, url, "limits", "tight", "--fuel", "1k", "--query-fuel", "7").want(t, Done).prints(t, "1 k")
	grout(t, url, "exec", "tight", strings.Repeat("a", 1000)).want(t, Trapped, "out of fuel", "the command may use 1000")
	grout(t, url, "query", "tight").want(t, Trapped, "out of fuel", "the query may use 7")
	grout(t, url, "limits", "tight").want(t, Done).prints(t, "alarm  fuel: 1000 of 1000 were used (100 %)")
	grout(t, url, "limits", "tight", "--fuel", "5M", "--query-fuel", "5M").want(t, Done)
	grout(t, url, "exec", "tight", "x").want(t, Done)
	grout(t, url, "limits", "tight", "--memory", "1MiB").want(t, Refused, "stay as they are", "1114112 bytes, and never shrinks")
	grout(t, url, "limits", "tight", "--memory", "100").want(t, Usage, "--memory is 100, 65536 to")
	grout(t, url, "limits", "tight", "--memory", "lots").want(t, Usage, "is not a size")
	grout(t, url, "limits", "tight", "--max-events", "many").want(t, Usage, "is not a number above 0")
	grout(t, url, "limits", "tight", "--max-module", "1KiB", "--max-events", "7").want(t, Done).prints(t, "events", "7")
	grout(t, url, "limits", "tight", "--max-module", "100B").want(t, Usage, "the module has")
	grout(t, url, "limits", "nobody").want(t, NotFound, "nobody")
	grout(t, url, "deploy", "other", module, "--max-module", "100B").want(t, Usage, "the module has")
	grout(t, url, "rm", "tight", "--yes").want(t, Done)
}

// TestLimitFlags shows that every limit has a flag, in the order of the limits.
func TestLimitFlags(t *testing.T) {
	var limits api.Limits
	fields := limits.Fields()
	if len(fields) != len(limitFlags) {
		t.Fatalf("%d limits and %d flags", len(fields), len(limitFlags))
	}
	for i, field := range fields {
		if limitFlags[i].field != field.Name {
			t.Errorf("flag %s is for %s, and the limit is %s", limitFlags[i].flag, limitFlags[i].field, field.Name)
		}
	}
}
