package api

import "time"

// The verbs of control subjects. Requests and replies are JSON, so that the stock nats CLI can use
// them: `nats req grout.v1.ctl.ls '{}'`.
const (
	// VerbUpload stores a piece of a module on the host that gets it: raw bytes with the headers
	// Grout-Digest, Grout-Offset and Grout-Size; sent to one host. The reply is UploadReply.
	VerbUpload = "upload"
	// VerbDeploy creates a group or upgrades nothing: DeployRequest, GroupInfo.
	VerbDeploy = "deploy"
	// VerbList lists the groups: no body, ListReply.
	VerbList = "ls"
	// VerbInfo describes a group: GroupRequest, GroupInfo.
	VerbInfo = "info"
	// VerbRemove removes a group and its data: GroupRequest, Empty.
	VerbRemove = "rm"
	// VerbTransfer hands leadership over: TransferRequest, Empty.
	VerbTransfer = "transfer"
	// VerbSnapshot asks for a snapshot marker: GroupRequest, Empty.
	VerbSnapshot = "snapshot"
	// VerbStatus describes the host that gets it: no body, HostStatus. Every host answers.
	VerbStatus = "status"
)

// Headers of VerbUpload.
const (
	HeaderDigest = "Grout-Digest"
	HeaderOffset = "Grout-Offset"
	HeaderSize   = "Grout-Size"
)

// UploadReply answers VerbUpload.
type UploadReply struct {
	// Received is the number of bytes that the host holds, from the start.
	Received int64 `json:"received"`
	// Stored is set once the whole module was checked and stored.
	Stored bool `json:"stored"`
}

// Limits bound one group's machine. Zero means the default.
type Limits struct {
	MemoryBytes  int64 `json:"memory_bytes,omitempty"`
	CommandBytes int64 `json:"command_bytes,omitempty"`
}

// DeployRequest asks for a group.
type DeployRequest struct {
	Group string `json:"group"`
	// Module is the digest of an uploaded module, in hexadecimal.
	Module string `json:"module"`
	// Replicas is the number of voters; 0 means three, or every host if there are fewer.
	Replicas int    `json:"replicas,omitempty"`
	Limits   Limits `json:"limits"`
	// Init is the argument of grout_init.
	Init []byte `json:"init,omitempty"`
}

// GroupRequest names a group.
type GroupRequest struct {
	Group string `json:"group"`
}

// TransferRequest names a group and the host that shall lead it.
type TransferRequest struct {
	Group string `json:"group"`
	Host  string `json:"host"`
}

// Empty is a reply that says nothing but "done".
type Empty struct{}

// ListReply answers VerbList.
type ListReply struct {
	Groups []GroupInfo `json:"groups"`
}

// GroupInfo describes a group as the answering host sees it.
type GroupInfo struct {
	Group    string       `json:"group"`
	ID       uint64       `json:"id"`
	Module   string       `json:"module"`
	Leader   string       `json:"leader"`
	Term     uint64       `json:"term"`
	Commit   uint64       `json:"commit"`
	Applied  uint64       `json:"applied"`
	Limits   Limits       `json:"limits"`
	Created  time.Time    `json:"created"`
	Members  []MemberInfo `json:"members"`
	Problems []string     `json:"problems,omitempty"`
}

// MemberInfo describes one member of a group.
type MemberInfo struct {
	Host   string `json:"host"`
	Member string `json:"member"`
	// Role is "leader", "follower", "candidate" or "pre-candidate" for the answering host's own
	// member, "voter" or "observer" for others.
	Role string `json:"role"`
	// Match is the leader's knowledge of the member's durable log, 0 when unknown.
	Match uint64 `json:"match,omitempty"`
}

// HostStatus answers VerbStatus.
type HostStatus struct {
	Host    string       `json:"host"`
	HostID  string       `json:"host_id"`
	Version string       `json:"version"`
	Cluster string       `json:"cluster"`
	Uptime  string       `json:"uptime"`
	Storage string       `json:"storage"`
	Groups  []GroupBrief `json:"groups"`
}

// GroupBrief is one line of a host's status.
type GroupBrief struct {
	Group         string `json:"group"`
	Role          string `json:"role"`
	Term          uint64 `json:"term"`
	Commit        uint64 `json:"commit"`
	Applied       uint64 `json:"applied"`
	SnapshotIndex uint64 `json:"snapshot_index"`
	// SnapshotHash is the state hash at SnapshotIndex, in hexadecimal, "" without a snapshot: equal on all members
	// that have their snapshot there.
	SnapshotHash string `json:"snapshot_hash,omitempty"`
	LogEntries   int    `json:"log_entries"`
	// Problem is why the member stopped, or what is wrong with its state or another's, "" while all is well.
	Problem string `json:"problem,omitempty"`
}
