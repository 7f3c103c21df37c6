package main

// durableLog are those of the log on disk.
var durableLog = []mutation{
	{
		name: "log-not-synced", breaks: "R6", file: "consensus/durable/writer.go", tests: inLogs("TestFailureStopsTheStore"),
		edits: []edit{{"s.db.Apply(batch, pebble.Sync)", "s.db.Apply(batch, pebble.NoSync)"}},
	},
	{
		name: "failed-sync-retried", breaks: "R6 B17", file: "consensus/durable/files.go", tests: inLogs("TestFailedSyncIsNotRetried"),
		edits: []edit{{`	if err == nil {
		err = carryOut()
	}
	if err == nil || !f.isLog {`, `	if err == nil {
		err = carryOut()
	}
	if err != nil && f.fs.stopped() == nil {
		err = carryOut()
	}
	if err == nil || !f.isLog {`}},
	},
	{
		name: "failed-sync-forgotten", breaks: "R6 B17", file: "consensus/durable/files.go", tests: inLogs("TestFailureStopsTheStore"),
		edits: []edit{{`	f.fs.fail(fmt.Errorf("write %s: %w", f.name, err))
	return nil`, `	return nil`}},
	},
	{
		name: "failure-not-asked-after-a-write", breaks: "R6 B17", file: "consensus/durable/writer.go", tests: inLogs("TestFailureStopsTheStore"),
		edits: []edit{
			{`		return err
	}
	return s.failure()
}

// transaction`, `		return err
	}
	return nil
}

// transaction`},
			{`		s.fail(err)
	}
	return s.failure()`, `		s.fail(err)
		return err
	}
	return nil`},
		},
	},
	{
		name: "library-writes-after-a-failure", breaks: "B17", file: "consensus/durable/files.go", tests: inLogs("TestNothingIsWrittenAfterAFailure"),
		edits: []edit{{`	err := f.fs.stopped()
	if err == nil {
		err = carryOut()
	}`, `	err := carryOut()`}},
	},
	{
		name: "failed-open-frees-what-is-used", breaks: "R6", file: "consensus/durable/files.go", tests: inLogs("TestRefusedWritesOfAnOpenWait"),
		edits: []edit{{`		f.giveUp()
		<-f.closing`, `		f.giveUp()`}},
	},
	{
		name: "failed-folder-sync-forgotten", breaks: "R6", file: "consensus/durable/files.go", tests: inLogs("TestFailureStopsTheStore"),
		edits: []edit{{`d.fs.fail(fmt.Errorf("sync %s: %w", d.name, err))`, "return nil"}},
	},
	{
		name: "watermark-not-written", breaks: "B16", file: "consensus/durable/writer.go", tests: inLogs("TestFlippedBits"),
		edits: []edit{{`	if err := s.mark.set(number); err != nil {
		return fmt.Errorf("write the watermark: %w", err)
	}
`, ""}},
	},
	{
		name: "watermark-not-asked", breaks: "B16", file: "consensus/durable/verify.go", tests: inLogs("TestFlippedBits"),
		edits: []edit{{"if last < acknowledged {", "if false {"}},
	},
	{
		name: "watermark-takes-the-lower-slot", breaks: "B16", file: "consensus/durable/watermark.go", tests: inLogs("TestFlippedBits"),
		edits: []edit{{"number, good = max(number, n), true", "number, good = n, true"}},
	},
	{
		name: "missing-watermark-made-anew", breaks: "B16", file: "consensus/durable/store.go", tests: inLogs("TestMissingWatermark"),
		edits: []edit{{"listErr == nil && len(names) > 0", "listErr == nil && len(names) > 1<<20"}},
	},
	{
		name: "gap-in-batches-taken", breaks: "B16", file: "consensus/durable/verify.go", tests: inLogs("TestLibraryBlindSpots"),
		edits: []edit{{"run.first > last+1", "run.first > last+1<<40"}},
	},
	{
		name: "tail-not-searched", breaks: "B16", file: "consensus/durable/verify.go", tests: inLogs("TestFlippedBits"),
		edits: []edit{{"return last, !exists, checkTail(c, last, runs)", "return last, !exists, nil"}},
	},
	{
		name: "unreadable-file-is-an-end", breaks: "B16", file: "consensus/durable/verify.go", tests: inLogs("TestUnreadableLogIsNoEnd"),
		edits: []edit{{`return fmt.Errorf("durable: read a write-ahead log: %w", err)`, "return nil"}},
	},
	{
		name: "checksums-not-compared", breaks: "B16", file: "consensus/durable/record.go", tests: inLogs("TestLoadFindsWhatChecksumsCannot"),
		edits: []edit{{"; want != got {", "; want != got && false {"}},
	},
	{
		name: "checksums-without-keys", breaks: "B16", file: "consensus/durable/record.go", tests: inLogs("TestLoadFindsWhatChecksumsCannot"),
		edits: []edit{{"crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value)", "crc32.Update(0*crc32.Checksum(key, castagnoli), castagnoli, value)"}},
	},
	{
		name: "shorter-log-taken", breaks: "R6 B16", file: "consensus/durable/load.go", tests: inLogs("TestLoadFindsWhatChecksumsCannot"),
		edits: []edit{{"if next != l.head.last.Index+1 {", "if next > l.head.last.Index+1 {"}},
	},
	{
		name: "predecessors-term-not-compared", breaks: "B16", file: "consensus/durable/load.go", tests: inLogs("TestLoadFindsWhatChecksumsCannot"),
		edits: []edit{{"term != before {", "term != before && false {"}},
	},
	{
		name: "replaced-tail-stays", breaks: "R6", file: "consensus/durable/group.go", tests: inLogs("TestRandomLifeMatchesModel"),
		edits: []edit{{"return tx.batch.DeleteRange(entryKey(g.id, end.Index+1), entryKey(g.id, old+1), nil)", "return nil"}},
	},
	{
		name: "install-leaves-entries", breaks: "R8 B8", file: "consensus/durable/group.go", tests: inLogs("TestRandomLifeMatchesModel"),
		edits: []edit{{`	g.terms = terms{{from: anchor.Index, term: anchor.Term}}
	return tx.batch.DeleteRange(groupKey(kindEntry, g.id), groupEnd(kindEntry, g.id), nil)`, `	g.terms = terms{{from: anchor.Index, term: anchor.Term}}
	return nil`}},
	},
	{
		name: "restored-log-from-index-1", breaks: "B9", file: "consensus/durable/group.go", tests: inLogs("TestRandomLifeMatchesModel"),
		edits: []edit{{"g.head.first, g.head.last = anchor.Index+1, anchor", "g.head.first, g.head.last = 1, anchor"}},
	},
	{
		name: "hard-state-not-stored", breaks: "R6 B4", file: "consensus/durable/group.go", tests: inLogs("TestFailureStopsTheStore"),
		edits: []edit{{"g.head.hard = *r.write.HardState", "_ = r.write.HardState"}},
	},
	{
		name: "vote-not-stored", breaks: "R6 B3", file: "consensus/durable/group.go", tests: inLogs("TestLibraryBlindSpots"),
		edits: []edit{{"g.head.hard = *r.write.HardState", "g.head.hard.Term = r.write.HardState.Term"}},
	},
	{
		name: "term-may-fall", breaks: "R6", file: "consensus/durable/group.go", tests: inLogs("TestImpossibleWritesAreRefused"),
		edits: []edit{{"h.Term < was.Term || ", ""}},
	},
	{
		name: "vote-may-change", breaks: "R6", file: "consensus/durable/group.go", tests: inLogs("TestImpossibleWritesAreRefused"),
		edits: []edit{{"(h.Term == was.Term && was.VotedFor != consensus.NoMember && h.VotedFor != was.VotedFor)", "false"}},
	},
	{
		name: "forgets-past-the-snapshot", breaks: "R8", file: "consensus/durable/group.go", tests: inLogs("TestImpossibleWritesAreRefused"),
		edits: []edit{{"if !g.head.anchored || index > g.head.anchor.Index {", "if false {"}},
	},
	{
		name: "snapshot-outside-the-log", breaks: "R8", file: "consensus/durable/group.go", tests: inLogs("TestImpossibleWritesAreRefused"),
		edits: []edit{{"!known || term != anchor.Term", "known && term != anchor.Term"}},
	},
	{
		name: "done-out-of-order", breaks: "R6", file: "consensus/durable/writer.go", tests: inLogs("TestDoneInOrder"),
		edits: []edit{{`	for i := range batch {
		bytes`, `	for i := len(batch) - 1; i >= 0; i-- {
		bytes`}},
	},
	{
		name: "manifest-name-not-synced", breaks: "R6", file: "consensus/durable/files.go", tests: inLogs("TestManifestHasItsName"),
		edits: []edit{{"named := !strings.HasPrefix(f.PathBase(name), manifestPrefix)", "named := true"}},
	},
	{
		name: "two-stores-in-a-folder", breaks: "R6", file: "consensus/durable/store.go", tests: inLogs("TestLock"),
		edits: []edit{{`	release, err := lockFolder(config.fs, config.Dir)
	if err != nil {`, `	release, err := lockFolder(config.fs, config.Dir)
	if release == nil {
		release, err = func() error { return nil }, nil
	}
	if err != nil {`}},
	},
}
