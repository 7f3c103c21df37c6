package consensus

// Restored is what the durable log gives back at a start.
type Restored struct {
	HardState HardState
	// Snapshot is nil when none was ever saved.
	Snapshot *SnapshotMeta
	// Entries are contiguous. Without a snapshot they begin at index 1; with one, at or before the
	// index after its anchor, or there are none.
	Entries []LogEntry
}
