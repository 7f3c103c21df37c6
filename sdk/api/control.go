package api

import "time"

// The verbs of control subjects. Requests and replies are JSON, so that the stock nats CLI can use
// them: `nats req grout.v1.ctl.ls '{}'`.
const (
	// VerbUpload stores a piece of a module on the host that gets it: raw bytes with the headers
	// Grout-Digest, Grout-Offset and Grout-Size; sent to one host. The reply is UploadReply.
	VerbUpload = "upload"
	// VerbDeploy creates a group: DeployRequest, GroupInfo.
	VerbDeploy = "deploy"
	// VerbUpgrade changes the module of a group, in place; sent to the leader's host: UpgradeRequest,
	// UpgradeReply.
	VerbUpgrade = "upgrade"
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
	// VerbMembers shows or changes the members of a group: MembersRequest, MembersReply. The host of the
	// group's leader carries it out.
	VerbMembers = "members"
	// VerbLimits shows or changes the limits of a group's machine; sent to the leader's host: LimitsRequest,
	// LimitsReply.
	VerbLimits = "limits"
	// VerbSources shows or changes the streams of which each message is a command of a group; sent to the leader's
	// host: SourcesRequest, SourcesReply. VerbSinks is about the stream that takes its events: SinkRequest, SinkReply.
	VerbSources = "sources"
	VerbSinks   = "sinks"
	// VerbHosts shows or changes the hosts of the cluster: HostsRequest, HostsReply.
	VerbHosts = "hosts"
)

// The actions of VerbMembers; "" changes nothing.
const (
	// MembersAdd adds a member on Host: an observer first, which becomes a voter when it has caught up.
	MembersAdd = "add"
	// MembersPromote makes the observer on Host a voter.
	MembersPromote = "promote"
	// MembersDemote makes the voter on Host an observer.
	MembersDemote = "demote"
	// MembersRemove removes the member on Host and what it stored.
	MembersRemove = "remove"
	// MembersReplace adds a member on With, and removes that on Host once the new one has caught up.
	MembersReplace = "replace"
)

// The actions of VerbHosts; "" changes nothing.
const (
	// HostsAdmit takes the waiting host of a name into the cluster: a new one, or one that lost its folder.
	HostsAdmit = "admit"
	// HostsRemove takes a host that will not come back out of the cluster.
	HostsRemove = "remove"
)

// MembersRequest asks for the members of a group, and for a change of them.
type MembersRequest struct {
	// Group is a group's name, or "catalog".
	Group  string `json:"group"`
	Action string `json:"action,omitempty"`
	Host   string `json:"host,omitempty"`
	// With is the host of the new member of MembersReplace.
	With string `json:"with,omitempty"`
	// Observer makes the new member of MembersAdd one that never votes.
	Observer bool `json:"observer,omitempty"`
}

// MembersReply describes the members of a group as the host of its leader sees them.
type MembersReply struct {
	Group   string       `json:"group"`
	Leader  string       `json:"leader"`
	Commit  uint64       `json:"commit"`
	Members []MemberInfo `json:"members"`
	// Settled is set when every member is what it shall be. Until then the change goes on by itself.
	Settled bool `json:"settled"`
	// Waiting is what the change waits for at the moment.
	Waiting string `json:"waiting,omitempty"`
	// DemoteAfter is how long a voter may be silent before the group demotes it, "" for ever;
	// VoterFloor is how many voters stay in any case.
	DemoteAfter string `json:"demote_after,omitempty"`
	VoterFloor  int    `json:"voter_floor,omitempty"`
	// Alarms say which limits of the group's machine are near.
	Alarms []string `json:"alarms,omitempty"`
}

// HostsRequest asks for the hosts of the cluster, and for a change of them.
type HostsRequest struct {
	Action string `json:"action,omitempty"`
	Host   string `json:"host,omitempty"`
}

// HostsReply describes the hosts of a cluster.
type HostsReply struct {
	Cluster string     `json:"cluster"`
	Hosts   []HostInfo `json:"hosts"`
	// Waiting are hosts that ask to be admitted.
	Waiting []WaitingHost `json:"waiting"`
}

// HostInfo is one host of a cluster.
type HostInfo struct {
	Host   string `json:"host"`
	HostID string `json:"host_id"`
	// Member is its member of the catalog, and Role what that is: "voter" or "observer".
	Member string `json:"member"`
	Role   string `json:"role"`
	// Groups is how many groups have a member there, the catalog not counted.
	Groups int `json:"groups"`
}

// WaitingHost is a host that asks to be admitted.
type WaitingHost struct {
	Host   string `json:"host"`
	HostID string `json:"host_id"`
	// Known is set when the cluster knows the name, by another data folder.
	Known bool `json:"known"`
	// Alive is set when the host that the cluster knows has been heard of meanwhile: two processes
	// have one name.
	Alive bool `json:"alive"`
}

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
	// DemoteAfter is how long a voter may be silent before the group makes it an observer, in the
	// notation of Go ("30s"); "" for ever. VoterFloor is how many voters stay in any case, 3 when 0.
	DemoteAfter string `json:"demote_after,omitempty"`
	VoterFloor  int    `json:"voter_floor,omitempty"`
}

// UpgradeRequest asks for another module in a group that exists.
type UpgradeRequest struct {
	Group string `json:"group"`
	// Module is the digest of an uploaded module, in hexadecimal.
	Module string `json:"module"`
	// Limits that are zero stay as they are.
	Limits Limits `json:"limits"`
	// Init is the new machine's argument of grout_init; without it the group's stays.
	Init *[]byte `json:"init,omitempty"`
}

// UpgradeReply answers VerbUpgrade: the group has been upgraded.
type UpgradeReply struct {
	Group string `json:"group"`
	// From and To are the digests of the modules; equal when the group ran the module already.
	From string `json:"from"`
	To   string `json:"to"`
	// Index is the entry of the group's log that brought the module.
	Index uint64 `json:"index"`
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
	// Alarms say which limits of the machine are near, as the answering host's member sees it.
	Alarms []string `json:"alarms,omitempty"`
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
	// Wanted is what the member shall become, where that differs from what it is: "voter", "observer"
	// or "none". It is "lost" for a member that a repair of the quorum gave up.
	Wanted string `json:"wanted,omitempty"`
	// Demoted is set where the group itself took the vote from the member, because it was silent.
	Demoted bool `json:"demoted,omitempty"`
	// Lag is how many committed entries the member lacks, and Silent whether it does not answer the
	// leader. Both are there only in a MembersReply.
	Lag    uint64 `json:"lag,omitempty"`
	Silent bool   `json:"silent,omitempty"`
}

// HostStatus answers VerbStatus.
type HostStatus struct {
	Host    string `json:"host"`
	HostID  string `json:"host_id"`
	Version string `json:"version"`
	Cluster string `json:"cluster"`
	Uptime  string `json:"uptime"`
	Storage string `json:"storage"`
	// Hosts are the names of all hosts of the cluster, as far as this one knows.
	Hosts  []string     `json:"hosts"`
	Groups []GroupBrief `json:"groups"`
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
	// Alarms say which limits of the machine are near.
	Alarms []string `json:"alarms,omitempty"`
}
