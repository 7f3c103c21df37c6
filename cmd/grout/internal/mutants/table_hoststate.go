package main

// hostState are those of what is replicated, saved and fetched.
var hostState = []mutation{
	{
		name: "leaps-count-whole", breaks: "R7", file: "host/sessions.go", tests: inHost("TestLeapsForgetNothing"),
		edits: []edit{{"min(stamp-m.stamp, int64(maxAging))", "stamp - m.stamp"}},
	},
	{
		name: "session-results-forgotten", breaks: "R7 M14", file: "host/sessions.go", tests: inHost("TestALostAck"),
		edits: []edit{{"if known := s.results[c.Seq]; known != nil {", "if known := s.results[c.Seq]; known != nil && false {"}},
	},
	{
		name: "message-ids-forgotten", breaks: "R7 M14", file: "host/sessions.go", tests: inHost("TestMessageIDs"),
		edits: []edit{{"if e := m.messages[c.MsgID]; e != nil {", "if e := m.messages[c.MsgID]; e != nil && false {"}},
	},
	{
		name: "results-not-in-the-snapshot", breaks: "R7 R8 M14", file: "host/replica.go", tests: inHost("TestAnImageIsWhole"),
		edits: []edit{{"Memory: r.memory.stored(),", "Memory: storedMemory{},"}},
	},
	{
		name: "time-not-in-the-snapshot", breaks: "R8", file: "host/replica.go", tests: inHost("TestAnImageIsWhole"),
		edits: []edit{{"TimeNanos: r.timeNanos, Published", "TimeNanos: 0, Published"}},
	},
	{
		name: "events-not-in-the-snapshot", breaks: "R8", file: "host/replica.go", tests: inHost("TestAnImageIsWhole"),
		edits: []edit{{"Events: r.outbox.events, Memory", "Events: nil, Memory"}},
	},
	{
		name: "time-may-fall", breaks: "R7", file: "host/replica.go", tests: inHost("TestOutcomesAreRemembered"),
		edits: []edit{{"r.timeNanos = max(r.timeNanos, c.TimeNanos)", "r.timeNanos = c.TimeNanos"}},
	},
	{
		name: "acknowledged-sequence-applied-again", breaks: "R7 M14", file: "host/sessions.go", tests: inHost("TestSessionRules"),
		edits: []edit{{`	if c.Seq <= s.acked {
		return`, `	if c.Seq <= s.acked && false {
		return`}},
	},
	{
		name: "unknown-session-begins-anywhere", breaks: "R7 M14", file: "host/sessions.go", tests: inHost("TestSessionRules"),
		edits: []edit{{"if c.Seq != 1 {", "if c.Seq == 0 {"}},
	},
	{
		name: "entries-applied-out-of-order", breaks: "R3", file: "host/replica.go", tests: inHost("TestAFailingMachine"),
		edits: []edit{{"if e.Index != r.applied.Index+1 {", "if false {"}},
	},
	{
		name: "blobs-not-compared-with-digest", breaks: "R8", file: "host/statesync.go", tests: inHost("TestCrookedHosts"),
		edits: []edit{{"if digestOf(data) != request.Digest {", "if false {"}},
	},
	{
		name: "stored-blobs-not-compared", breaks: "R8", file: "host/blobstore.go", tests: inHost("TestDamagedBlobs"),
		edits: []edit{{"if digestOf(data) != d {", "if false {"}},
	},
	{
		name: "blob-sync-left-out", breaks: "R6", file: "host/pack.go", tests: inHost("TestBlobsAreSyncedBeforeTheyAreListed"),
		edits: []edit{{"	err := w.data.Sync()\n", "	var err error\n"}},
	},
	{
		name: "lists-of-a-killed-process-not-synced", breaks: "R6", file: "host/blobstore.go", tests: inHost("TestBlobsAreSyncedBeforeTheyAreListed"),
		edits: []edit{{"		if err := s.files.SyncFiles(s.unsynced); err != nil {\n			return err\n		}\n", ""}},
	},
	{
		name: "packs-deleted-before-what-moved-is-synced", breaks: "R6 R8", file: "host/pack.go", tests: inHost("TestAKilledCompact"),
		edits: []edit{{"p.complete && !p.moving && p.blobs == 0", "p.complete && p.blobs == 0"}},
	},
	{
		name: "packs-deleted-on-the-word-of-an-unsynced-list", breaks: "R6", file: "host/pack.go", tests: inHost("TestCompact"),
		edits: []edit{{"if s.settled && p.complete", "if p.complete"}},
	},
	{
		name: "pack-numbers-used-again", breaks: "R6 R8", file: "host/pack.go", tests: inHost("TestNumbersAreNotUsedAgain"),
		edits: []edit{{"p.number == newest", "p.number == newest && false"}},
	},
	{
		name: "damaged-record-taken", breaks: "R8", file: "host/pack.go", tests: inHost("TestDamagedLists"),
		edits: []edit{{"if crc32.Checksum(body, castagnoli) != binary.BigEndian.Uint32(raw[recordBytes-4:]) {", "if false {"}},
	},
	{
		name: "base-of-a-patch-deleted", breaks: "R8", file: "host/blobstore.go", tests: inHost("TestWhatIsAlikeIsStoredAsAPatch"),
		edits: []edit{{"return !keep[d] && !bases[d]", "return !keep[d]"}},
	},
	{
		name: "patch-without-its-base-stored", breaks: "R8", file: "host/blobstore.go", tests: inHost("TestABaseThatGoesMeanwhile"),
		edits: []edit{{"!ok && (base == Digest{} || s.whole(base))", "!ok"}},
	},
	{
		name: "patch-of-a-patch", breaks: "R8", file: "host/patch.go", tests: inHost("TestWhatIsAlikeIsStoredAsAPatch"),
		edits: []edit{{"		base = whole.base\n", ""}},
	},
	{
		name: "blob-store-goes-on-after-failure", breaks: "R6 B17", file: "host/blobstore.go", tests: inHost("TestNothingIsStoredAfterAFailure"),
		edits: []edit{{"if err := s.failure(); err != nil || !ifWanted(func() {}) {", "if err := error(nil); !ifWanted(func() {}) {"}},
	},
	{
		name: "anchor-of-manifest-unchecked", breaks: "R8", file: "host/statesync.go", tests: inHost("TestAManifestOfAnotherAnchor"),
		edits: []edit{{"err == nil && meta.Anchor != offer.Snapshot.Anchor", "err == nil && meta.Anchor != offer.Snapshot.Anchor && false"}},
	},
	{
		name: "empty-reply-asked-for-ever", breaks: "M10", file: "host/statesync.go", tests: inHost("TestCrookedHosts"),
		edits: []edit{{"case len(piece) == 0 && int64(len(data)) < total:", "case len(piece) == 0 && int64(len(data)) < total && false:"}},
	},
	{
		name: "fetches-while-installing", breaks: "R8", file: "host/statesync.go", tests: inHost("TestOneSnapshotAtATime"),
		edits: []edit{{"g.saving != nil || g.fetch.cancel != nil || g.fetch.installing", "g.saving != nil || g.fetch.cancel != nil"}},
	},
	{
		name: "fetches-while-restoring", breaks: "R8", file: "host/statesync.go", tests: inHost("TestOneSnapshotAtATime"),
		edits: []edit{{"g.fetch.installing || g.applier.restoring()", "g.fetch.installing"}},
	},
	{
		name: "parked-restore-waits-for-ever", breaks: "R8", file: "host/applier.go", tests: inHost("TestARestoreThatWaitsForAModule"),
		edits: []edit{{"	a.ring() // what is parked is dropped, too\n", ""}},
	},
	{
		name: "retained-chunks-deleted", breaks: "R8", file: "host/statesync.go", tests: inHost("TestSnapshotsAreEqual"),
		edits: []edit{{"for _, d := range []Digest{g.fetch.previous, digest} {", "for _, d := range []Digest{g.fetch.previous} {"}},
	},
	{
		name: "results-not-restored", breaks: "R7 R8 M14", file: "host/replica.go", tests: inHost("TestAnImageIsWhole"),
		edits: []edit{
			{"r.memory, r.applied, r.timeNanos, r.terms = memory,", "r.memory, r.applied, r.timeNanos, r.terms = newMemory(),"},
			{"memory, err := restoreMemory", "_, err := restoreMemory"},
		},
	},
	{
		name: "terms-not-restored", breaks: "R7 R8 M13", file: "host/replica.go", tests: inHost("TestAnImageIsWhole"),
		edits: []edit{{"r.memory, r.applied, r.timeNanos, r.terms = memory, image.anchor, stored.TimeNanos, stored.Terms", "r.memory, r.applied, r.timeNanos = memory, image.anchor, stored.TimeNanos"}},
	},
	{
		name: "one-source-alone", breaks: "R8 M10", file: "host/statesync.go", tests: inHost("TestEverySourceIsTried"),
		edits: []edit{{"for i := range f.sources {", "for i := range f.sources[:min(1, len(f.sources))] {"}},
	},
	{
		name: "saves-while-fetching", breaks: "R8", file: "host/statesync.go", tests: inHost("TestOneSnapshotAtATime"),
		edits: []edit{{"if g.saving != nil || g.fetch.cancel != nil || image.epoch", "if g.saving != nil || image.epoch"}},
	},
	{
		name: "quarantined-member-votes", breaks: "R8", file: "host/quarantine.go", tests: inHost("TestAWrongFollower"),
		edits: []edit{{"return protocol && g.quarantine != nil", "return protocol && g.quarantine != nil && false"}},
	},
	{
		name: "quarantine-forgotten-on-restart", breaks: "R8", file: "host/group.go", tests: inHost("TestRestartInQuarantine"),
		edits: []edit{{"g.isolateSelf(note.quarantine())", "_ = note"}},
	},
	{
		name: "one-hash-is-a-majority", breaks: "R8", file: "host/divergence.go", tests: inHost("TestAWrongFollower"),
		edits: []edit{{"return n > len(voters)/2", "return n > 0"}},
	},
	{
		name: "copied-hashes-count", breaks: "R8", file: "host/divergence.go", tests: inHost("TestACopyIsNoWitness"),
		edits: []edit{{"ok && !a.none && !a.copied && ", "ok && !a.none && "}},
	},
	{
		name: "disputed-snapshot-offered", breaks: "R8", file: "host/divergence.go", tests: inHost("TestNoMajority"),
		edits: []edit{{"return c.decided || (!c.disputed() && c.age >= comparePatience)", "return c.decided || c.age >= 0"}},
	},
	{
		name: "wrong-leader-stays", breaks: "R8", file: "host/divergence.go", tests: inHost("TestAWrongLeader"),
		edits: []edit{{`own.digest != agreed {
		g.quarantineSelf(`, `own.digest != agreed && false {
		g.quarantineSelf(`}, {"if !g.comparison.settled(id) {", "if id != g.self && !g.comparison.settled(id) {"}},
	},
	{
		name: "verdict-not-obeyed", breaks: "R8", file: "host/divergence.go", tests: inHost("TestAWrongFollower"),
		edits: []edit{{"case len(m.Agreed) > 0 && Digest(m.Agreed) != own.digest:", "case len(m.Agreed) > 1<<20 && Digest(m.Agreed) != own.digest:"}},
	},
	{
		name: "lost-comparison-not-repeated", breaks: "R8", file: "host/divergence.go", tests: inHost("TestTheAlarmOverALossyNetwork"),
		edits: []edit{{"if c.age >= c.due {", "if c.age == 1 {"}},
	},
}
