package main

// sandbox are those of the preparer, of the machines' memory, and of limits.
var sandbox = []mutation{
	{
		name: "checkpoint-copies-half-a-block", file: "wasmsm/memory_cow_linux.go", tests: inSandbox,
		edits: []edit{{"			*a = *b\n", "			copy(a[:block/2], b[:])\n"}},
	},
	{
		name: "rollback-keeps-what-was-written", file: "wasmsm/memory_cow_linux.go", tests: inSandbox,
		edits: []edit{{"		copy(s.private[r.start:r.end], s.shared[r.start:r.end])\n", "		_ = r\n"}},
	},
	{
		name: "changes-are-not-noted", file: "wasmsm/memory_cow_linux.go", tests: inSandbox,
		edits: []edit{{"		s.touched.mark(r.start, r.end)\n", ""}},
	},
	{
		name: "frozen-pages-change", file: "wasmsm/memory_cow_linux.go", tests: inSandbox,
		edits: []edit{{"		s.frozen.change(r.start, r.end)\n", ""}},
	},
	{
		name: "frozen-pages-are-cut-off", file: "wasmsm/memory_cow_linux.go", tests: inSandbox,
		edits: []edit{{"	s.frozen.change(start, end)\n", ""}},
	},
	{
		name: "frozen-pages-are-kept-late", file: "wasmsm/frozen.go", tests: inSandbox,
		edits: []edit{{"if _, known := f.kept[at]; !known && f.pending.has(at) {", "if f.pending.has(at) {"}},
	},
	{
		name: "a-doze-forgets-what-is-frozen", file: "wasmsm/doze.go", tests: inSandbox,
		edits: []edit{{"	m.store.thaw()\n", ""}},
	},
	{
		name: "views-see-later-commits", file: "wasmsm/memory_cow_linux.go", tests: inSandbox,
		edits: []edit{{"		s.keepForViews(r.start, r.end)\n", ""}},
	},
	{
		name: "queries-see-what-others-wrote", file: "wasmsm/view_cow_linux.go", tests: inSandbox,
		edits: []edit{{"			copy(to, from)\n", ""}},
	},
	{
		name: "faults-are-not-counted", file: "wasmsm/view_cow_linux.go", tests: inSandbox,
		edits: []edit{{"if faults := v.threadFaults(); faults != v.faults {", "if faults := v.threadFaults(); faults != v.faults && false {"}},
	},
	{
		name: "globals-are-not-rolled-back", file: "wasmsm/machine.go", tests: inSandbox,
		edits: []edit{{"		g.Set(m.committed[i])\n", "		_, _ = i, g\n"}},
	},
	{
		name: "a-failed-command-undoes-the-journal", file: "wasmsm/journal.go", tests: inSandbox,
		edits: []edit{{"if err := m.rollback(); err != nil || len(m.journal.commands) == 0 {", "if err := m.rollback(); err != nil || true {"}},
	},
	{
		name: "limits-leave-the-journal", file: "wasmsm/setlimits.go", tests: inSandbox,
		edits: []edit{{"	if err := m.settle(); err != nil {\n		return err\n	}\n", ""}},
	},
	{
		name: "calls-do-not-wake", file: "wasmsm/doze.go", tests: inSandbox,
		edits: []edit{{"	if m.broken != nil || m.rest.kept.Load() == nil {\n", "	if true {\n"}},
	},
	{
		name: "views-do-not-wake", file: "wasmsm/view.go", tests: inSandbox,
		edits: []edit{{"	if err := m.wake(); err != nil {\n		return nil, err\n	}\n", ""}},
	},
	{
		name: "closed-views-keep-awake", file: "wasmsm/view.go", tests: inSandbox,
		edits: []edit{{"	err := v.instance.Close()\n	v.owner.rest.leave()\n", "	err := v.instance.Close()\n"}},
	},
	{
		name: "a-doze-leaves-the-journal", file: "wasmsm/doze.go", tests: inSandbox,
		edits: []edit{{"	if err := m.settle(); err != nil {\n		return false, err\n	}\n", ""}},
	},
	{
		name: "a-doze-loses-what-changed", file: "wasmsm/doze.go", tests: inSandbox,
		edits: []edit{{"	*m.store.marks() = k.touched\n", ""}},
	},
	{
		name: "a-doze-loses-the-globals", file: "wasmsm/doze.go", tests: inSandbox,
		edits: []edit{{"		g.Set(m.committed[i])\n", "		_, _ = i, g\n"}},
	},
	{
		name: "a-doze-loses-the-limits", file: "wasmsm/doze.go", tests: inSandbox,
		edits: []edit{{"m.instantiate(scratch, c.memoryLimit(m.limits))", "m.instantiate(scratch, c.memoryLimit(Limits{MemoryBytes: maxMemoryBytes}))"}},
	},
	{
		name: "a-doze-loses-the-zeros", file: "wasmsm/pack.go", tests: inSandbox,
		edits: []edit{{"	if bytes.Equal(content, fresh) {\n", "	if bytes.Equal(content, fresh) || bytes.Equal(content, zeroBlock[:]) {\n"}},
	},
	{
		name: "holes-are-not-packed", file: "wasmsm/pack.go", tests: inSandbox,
		edits: []edit{{"	for at := from; at < min(to, uint64(len(k.fresh))); at += blockBytes {\n", "	for at := from; at < min(to, 0); at += blockBytes {\n"}},
	},
	{
		name: "a-failed-wake-is-tried-again", file: "wasmsm/doze.go", tests: inSandbox,
		edits: []edit{{"k == nil || m.rest.failed != nil {", "k == nil {"}},
	},
	{
		name: "overdrawn-and-ended-is-applied", file: "wasmsm/fuel.go", tests: inSandbox,
		edits: []edit{{"	if left >= 0 && int64(m.room.Get()) >= 0 {", "	if o.Kind == Applied || left >= 0 && int64(m.room.Get()) >= 0 {"}},
	},
	{
		name: "host-functions-are-free", file: "wasmsm/fuel.go", tests: inSandbox,
		edits: []edit{{"	m.fuel.Set(uint64(left))\n", ""}},
	},
	{
		name: "overlapping-data-is-merged", file: "wasmsm/prepare/data.go", tests: inPreparer,
		edits: []edit{{"if s.offset < sorted[i].end() {", "if s.offset < sorted[i].offset {"}},
	},
	{
		name: "counted-data-is-merged", file: "wasmsm/prepare/data.go", tests: inPreparer,
		edits: []edit{{"m.dataCount >= 0 || ", ""}},
	},
	{
		name: "every-call-looks-at-the-fuel", file: "wasmsm/prepare/fuel.go", tests: inPreparer,
		edits: []edit{{"r.looks || in.op == opCall && f.stack.counts(in.index)", "true"}},
	},
	{
		name: "no-call-looks-at-the-fuel", file: "wasmsm/prepare/fuel.go", tests: inPreparer,
		edits: []edit{{"r.looks || in.op == opCall && f.stack.counts(in.index)", "false"}},
	},
	{
		name: "a-first-region-with-calls-is-free", file: "wasmsm/prepare/fuel.go", tests: inPreparer,
		edits: []edit{{"if first := &f.regions[0]; !first.calls && first.price <= smallPrice {", "if first := &f.regions[0]; first.price <= smallPrice {"}},
	},
	{
		name: "paths-of-branches-are-lost", file: "wasmsm/prepare/fuel.go", tests: inPreparer,
		edits: []edit{{"		b.branches = f.join(b.branches, f.path)\n", "		_ = b\n"}},
	},
	{
		name: "paths-past-an-if-are-lost", file: "wasmsm/prepare/fuel.go", tests: inPreparer,
		edits: []edit{{"		b.skip = f.path\n", "		_ = b\n"}},
	},
	{
		name: "paths-of-a-first-arm-are-lost", file: "wasmsm/prepare/fuel.go", tests: inPreparer,
		edits: []edit{{"			top.arm = f.path\n", "			_ = top\n"}},
	},
	{
		name: "what-costs-by-length-is-lost", file: "wasmsm/prepare/fuel.go", tests: inPreparer,
		edits: []edit{{"in.depth+1)...)\n	f.path = 0\n", "in.depth+1)...)\n"}},
	},
	{
		name: "fuel-is-not-released-before-a-call", file: "wasmsm/prepare/fuel.go", tests: inPreparer,
		edits: []edit{{"		f.releaseAt(in.start, f.path)\n		f.edits", "		f.edits"}},
	},
	{
		name: "no-room-is-left-for-a-call", file: "wasmsm/prepare/depth.go", tests: inPreparer,
		edits: []edit{{"s.edits.insert(in.start, s.leaveRoom()...)\n	case in.op == opReturn", "_ = in\n	case in.op == opReturn"}},
	},
	{
		name: "nans-over-the-limit-are-kept", file: "wasmsm/prepare/nan.go", tests: inPreparer,
		edits: []edit{{"		n.edits.insert(at, append(append(text, same...), opSelect)...)\n", "		_ = text\n"}},
	},
	{
		name: "alarms-come-when-all-is-used", file: "host/gauge.go", tests: inHost("TestGauge"),
		edits: []edit{{"*bound.Value/5*4", "*bound.Value"}},
	},
	{
		name: "alarms-never-end", file: "host/gauge.go", tests: inHost("TestGauge"),
		edits: []edit{{"r.calls, r.before, r.present = 1, r.present, api.Limits{}", "r.calls = 1"}},
	},
	{
		name: "memory-limit-below-the-memory", file: "host/limits.go", tests: inHost("TestLimitsThatAreTooLow"),
		edits: []edit{{"limits.MemoryBytes < machine.MemoryBytes():", "limits.MemoryBytes < 0:"}},
	},
	{
		name: "limits-change-without-the-machine", file: "host/limits.go", tests: inHost("TestLimitsUnderLoad"),
		edits: []edit{{"	if err := r.machine.(Limited).SetLimits(spec.Limits); err != nil {\n		return Outcome{}, fmt.Errorf(\"host: changing the machine's limits: %w\", err)\n	}\n", ""}},
	},
}
