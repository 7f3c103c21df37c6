# What Grout needs to build, run and test is Go (the version in go.mod) and make; `make toolchains` installs what tests of
# machines in other languages need as well. `make check` also fetches staticcheck through the Go module proxy.

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
COMPARE     := consensus/durable/compare
PEERS       := cmd/grout/internal/benchpeers
ASC         := sdk/assemblyscript
SQLITE      := examples/wasm/sqlite
WASM_RUST   := --print target-libdir --target wasm32-unknown-unknown
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
TIME        ?= 60s
SEEDS       ?= 100000
EVENTS      ?= 5000000
SEED        ?= 0
COUNT       ?= 100000
NETWORK     ?= auto
GROUPS      ?= 200
KILLS       ?= 20
HOSTS       ?= 3
MIB         ?= 1024

.PHONY: run test toolchains check build install bench bench-log bench-wasm bench-languages bench-sqlite bench-groups bench-failover bench-state bench-hot bench-peers soak profile chaos sim explore mutants fuzz fuzz-modules clean fmt

# The demonstration: three hosts, a killed leader, the right answer. INPUT=file for another text.
run:
	go run ./cmd/grout/internal/demo -input "$(INPUT)"

# Everything under the gate.
test:
	go test -timeout 20m ./...

# What tests of machines in other languages than Go need, from Debian and npm. Tests without it are skipped, unless GROUT_TOOLCHAINS=required.
toolchains:
	@{ test -x /usr/bin/cargo && test -d "$$(/usr/bin/rustc $(WASM_RUST) 2>/dev/null)"; } || \
		{ command -v cargo >/dev/null && test -d "$$(rustc $(WASM_RUST) 2>/dev/null)"; } || \
		{ apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends rustc cargo libstd-rust-dev-wasm32; }
	@command -v clang >/dev/null && command -v "$$(clang --target=wasm32 --print-prog-name=wasm-ld)" >/dev/null || \
		{ apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends clang lld; }
	@command -v npm >/dev/null || \
		{ apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends nodejs npm; }
	@test -d /usr/include/wasm32-wasi && command -v sqlite3 >/dev/null || \
		{ apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends wasi-libc sqlite3; }
	@for dir in $(ASC) $(SQLITE); do \
		(cd $$dir && cmp -s package-lock.json node_modules/.grout-lock || \
			{ npm ci --ignore-scripts --no-audit --no-fund && cp package-lock.json node_modules/.grout-lock; }) || exit 1; \
	done

# The local gate: a red one does not land.
check:
	@test -z "$$(gofmt -l .)" || { echo "gofmt: these files are not formatted:"; gofmt -l .; exit 1; }
	go vet ./...
	cd $(COMPARE) && go vet ./...
	cd $(PEERS) && go vet ./...
	go run $(STATICCHECK) ./...
	go mod tidy -diff
	go test -race -timeout 40m ./...
	@test -z "$$(git status --porcelain)" || { echo "the tree is not clean:"; git status --short; exit 1; }

build:
	go build -ldflags "-X main.version=$(VERSION)" -o bin/grout ./cmd/grout

install:
	go install -ldflags "-X main.version=$(VERSION)" ./cmd/grout

# One table for the whole path, beside the floors of NATS and the disk.
bench:
	go run ./cmd/grout/internal/bench

# The durable log against others, a module of its own.
bench-log:
	cd $(COMPARE) && go run .

# The sandbox: what preparation costs a guest, prepared against unprepared in the same engine; then checkpoints,
# rollbacks, changes and views against a plain copy of the memory.
bench-wasm:
	go run ./cmd/grout/internal/benchwasm
	go test -run '^$$' -bench 'Memory|Views' -benchtime 300x ./wasmsm

# One machine in each language: the size of its module, and a command of 16 bytes.
bench-languages:
	go test -run '^$$' -bench Languages -count 4 ./cmd/grout/internal/conformance

# SQLite in the sandbox beside Debian's own, statement by statement.
bench-sqlite:
	go test -run '^$$' -bench SQLite -benchtime 5000x ./cmd/grout/internal/applications

# What GROUPS idle groups of the counter cost each of HOSTS hosts, in memory and processor time, and how long a start takes.
bench-groups:
	go run ./cmd/grout/internal/benchgroups -groups $(GROUPS) -hosts $(HOSTS)

# The host that leads a group under load is killed KILLS times: how long the group takes no commands.
bench-failover:
	go run ./cmd/grout/internal/benchfailover -kills $(KILLS)

# A state of MIB MiB under full load: what a snapshot costs, and how fast a host that was away catches up.
bench-state:
	go run ./cmd/grout/internal/benchstate -mib $(MIB)

# The hot parts one by one, with their allocations: a step of the core, a frame, an append to the log, a command, a
# checkpoint, a query.
bench-hot:
	go test -run '^$$' -bench . -benchtime 5000x ./consensus
	go test -run '^$$' -bench Frame -benchtime 5000x ./transport/nats
	go test -run '^$$' -bench Append -benchtime 2000x ./consensus/durable
	go test -run '^$$' -bench 'Apply|Query' -benchtime 20000x ./wasmsm

# The same work against etcd, hashicorp/raft and JetStream, in a module of its own.
bench-peers:
	cd $(PEERS) && go run .

# Hosts under full load for TIME (make soak TIME=10m): what they have in memory and on disk, elections, lost commands.
soak:
	go run ./cmd/grout/internal/benchsoak -time $(TIME)

# A CPU profile of each row of the benchmark, and a heap profile, in profiles/.
profile:
	go run ./cmd/grout/internal/bench -profiles profiles

# Hosts under all kinds of faults for TIME, every answer checked; SEED=n repeats a schedule, NETWORK=proxy
# does without namespaces.
chaos:
	go test -count 1 -timeout 0 -v -run TestStorm ./cmd/grout/internal/chaos -chaos $(TIME) -seed $(SEED) -network $(NETWORK)

# The simulators: SEEDS runs of a whole group under faults, and a fifth as many of the core alone.
sim:
	go test -count 1 -timeout 0 -v -run 'TestSimulation$$' ./host -seeds $(SEEDS)
	go test -count 1 -timeout 0 -run TestRandomFaults ./consensus -seeds $$(($(SEEDS) / 5))

# COUNT random modules through both engines, restored and rolled back: every run has to agree.
fuzz-modules:
	go test -count 1 -timeout 0 -v -run TestGenerated ./wasmsm/check -modules $(COUNT) -seed $(SEED)

# Small worlds of the consensus core searched whole: EVENTS tried in each.
explore:
	go test -count 1 -timeout 0 -v -run TestExplore ./consensus -events $(EVENTS)

# Known bugs put back one at a time: a test must fail for each. RUN=name picks some; WRITE=-write renews docs/MUTANTS.md.
mutants:
	go run ./cmd/grout/internal/mutants -run "$(RUN)" $(WRITE)

# Every fuzz test for TIME.
fuzz:
	@set -e; for package in $$(go list ./...); do \
		for name in $$(go test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			echo "$$package $$name"; go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(TIME) -fuzzminimizetime 100x $$package; \
		done; \
	done

fmt:
	gofmt -w .

clean:
	rm -rf bin profiles
