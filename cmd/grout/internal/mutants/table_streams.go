package main

// streaming are those of sources, which read streams, and sinks, which write them.
var streaming = []mutation{
	{
		name: "stream-message-out-of-order", file: "host/bindings.go", tests: inHost("TestOnlyTheNextMessageCounts"),
		edits: []edit{{"case m.After != b.sources[i].Position:", "case false:"}},
	},
	{
		name: "stream-message-twice", file: "host/bindings.go", tests: inHost("TestOnlyTheNextMessageCounts"),
		edits: []edit{{"	s.Position = m.Seq\n", ""}},
	},
	{
		name: "stream-earlier-binding-counts", file: "host/bindings.go", tests: inHost("TestBindingRules"),
		edits: []edit{{"bound.ID = e.Index", "bound.ID = 1"}},
	},
	{
		name: "stream-position-not-restored", file: "host/replica.go", tests: inHost("TestBindingsAreInTheImage"),
		edits: []edit{{"	r.bindings.set(stored.Sources, stored.Sink)\n", ""}},
	},
	{
		name: "stream-events-before-the-term", file: "host/publisher.go", tests: inHost("TestPublisherWaitsForItsTerm"),
		edits: []edit{{"if !p.leading || term < p.term {", "if !p.leading {"}},
	},
	{
		name: "stream-end-never-noted", file: "host/publisher.go", tests: inHost("TestATownBetweenStreams"),
		edits: []edit{{"due := p.leading && p.target", "due := false && p.target"}},
	},
	{
		name: "stream-end-not-compared", file: "transport/nats/sink.go", tests: inTransport("TestASinkWritesOnce"),
		edits: []edit{{
			"		msg.Header[jetstream.ExpectedLastSeqHeader] = []string{strconv.FormatUint(k.end+uint64(i), 10)}\n",
			"		delete(msg.Header, jetstream.ExpectedLastSeqHeader)\n",
		}},
	},
	{
		name: "stream-end-not-read", file: "transport/nats/sink.go", tests: inTransport("TestASinkWritesOnce"),
		edits: []edit{{"return k, k.find(ctx, info.State.FirstSeq)", "return k, nil"}},
	},
	{
		name: "stream-delivery-lost", file: "transport/nats/pull.go", tests: inTransport("TestLostDeliveriesAreNoticed"),
		edits: []edit{{"if meta.Sequence.Consumer != p.received.Add(1) {", "if meta.Sequence.Consumer < p.received.Add(1) {"}},
	},
	{
		name: "stream-delivery-lost-at-the-end", file: "transport/nats/pull.go", tests: inTransport("TestLostDeliveriesAreNoticed"),
		edits: []edit{{"if sent > p.received.Load() && sent == p.doubt {", "if false {"}},
	},
	{
		name: "stream-of-the-same-name", file: "transport/nats/pull.go", tests: inTransport("TestAStreamMadeAnewIsAnother"),
		edits: []edit{{"if err == nil && info.Created.UnixNano() != request.BornNanos {", "if false {"}},
	},
}

func inTransport(test string) []suite {
	return []suite{{pkg: "./transport/nats", run: "^" + test + "$"}}
}
