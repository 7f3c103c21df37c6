package api

// Until names what an await request waits for.
type Until string

// What can be waited for. All are about the member that takes the request.
const (
	// UntilLeader: a leader is known.
	UntilLeader Until = "leader"
	// UntilLeaderChange: the leader or its term is another than the request says.
	UntilLeaderChange Until = "leader-change"
	// UntilLeaderIs: the leader is the host of the request.
	UntilLeaderIs Until = "leader-is"
	// UntilOnline: the member is in touch with a leader that a majority follows, and has applied all
	// that was committed when it came in touch. UntilOffline: it is not.
	UntilOnline  Until = "online"
	UntilOffline Until = "offline"
	// UntilLog: the member's log holds the entry; UntilCommit: the member knows it to be committed;
	// UntilApplied: the member has applied it.
	UntilLog     Until = "log"
	UntilCommit  Until = "commit"
	UntilApplied Until = "applied"
)

// Untils are all of them.
var Untils = []Until{UntilLeader, UntilLeaderChange, UntilLeaderIs, UntilOnline, UntilOffline, UntilLog, UntilCommit, UntilApplied}

// AwaitRequest asks a group's member to answer when something has come about, in JSON.
type AwaitRequest struct {
	Until Until `json:"until"`
	// Host is the host for leader-is, and the leader known for leader-change, "" for none.
	Host string `json:"host,omitempty"`
	// Index and Term are the position for log, commit and applied. Without a term it is reached with
	// whatever entry. Term is also the term known for leader-change.
	Index uint64 `json:"index,omitempty"`
	Term  uint64 `json:"term,omitempty"`
	// TimeoutMillis bounds the wait in milliseconds, to one minute at most; 0 means 3,000.
	TimeoutMillis int64 `json:"timeout_ms,omitempty"`
}

// AwaitOutcome says how a wait has ended.
type AwaitOutcome string

// The ends of a wait.
const (
	// AwaitReached: it has come about.
	AwaitReached AwaitOutcome = "reached"
	// AwaitTimeout: it has not, until the time was up: ask again.
	AwaitTimeout AwaitOutcome = "timeout"
	// AwaitLost: the entry was lost with its leader; it was never applied, and never will be.
	AwaitLost AwaitOutcome = "lost"
	// AwaitForgotten: whether the index holds that entry or another can no longer be told.
	AwaitForgotten AwaitOutcome = "forgotten"
)

// AwaitReply answers an AwaitRequest.
type AwaitReply struct {
	Outcome AwaitOutcome `json:"outcome"`
	Member  MemberState  `json:"member"`
}

// MemberState is what a member of a group knows.
type MemberState struct {
	Group string `json:"group"`
	Host  string `json:"host"`
	Role  string `json:"role"`
	// Leader is the host that leads, "" when unknown, in term Term.
	Leader string `json:"leader"`
	Term   uint64 `json:"term"`
	Online bool   `json:"online"`
	// Log is the end of its log, Commit and Applied how far that is known to be committed and is applied.
	Log     Position `json:"log"`
	Commit  Position `json:"commit"`
	Applied Position `json:"applied"`
	// Snapshot is the index of its last snapshot.
	Snapshot uint64 `json:"snapshot"`
	Problem  string `json:"problem,omitempty"`
}

// Position is a position in a group's log.
type Position struct {
	Index uint64 `json:"index"`
	Term  uint64 `json:"term"`
}

// Await is the subject of waits for a group's members. With a host's name it reaches that host's member.
func Await(group, host string) string { return endpoint(group, "await", host) }
