package host

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/groutlabs/grout/sdk/api"
)

const (
	// maxVisitors bounds the hosts without a cluster that are remembered.
	maxVisitors = 64
	// visitorLife is how long after its last hello a host counts as waiting.
	visitorLife = 8 * helloInterval
	// admissionWatch is how long a host has to be heard before it is admitted: long enough that a host
	// with the same name, which answers each of its hellos, is heard too.
	admissionWatch = 8 * helloInterval
)

// visitor is a host that says hello and belongs to no cluster.
type visitor struct {
	host        clusterHost
	first, last time.Time
}

// sighting is when a host of this cluster was last heard, by name.
type sighting struct {
	id string
	at time.Time
}

// door is what a host does about hellos once it belongs to a cluster: it gives the record to those that
// lack it, remembers those that wait to be admitted, and learns of a newer record.
type door struct {
	*bootstrap
	// replaced is told that a newer record does not have this host any more.
	replaced func()
}

// open begins to answer hellos, until stop is called, and says one itself: so a host that was away
// hears of what has changed.
func (d *door) open() (stop func(), err error) {
	unsubscribe, err := d.hello.SubscribeHello(d.hear)
	if err != nil {
		return nil, err
	}
	quit := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		for {
			select {
			case <-quit:
				return
			case m := <-d.incoming:
				if err := d.attend(m); err != nil {
					d.logger.Warn("answering a hello", "from", m.From.Name, "error", err)
				}
			}
		}
	})
	stop = func() {
		unsubscribe()
		close(quit)
		done.Wait()
	}
	if err := d.say(); err != nil {
		stop()
		return nil, err
	}
	return stop, nil
}

// attend answers one hello.
func (d *door) attend(m helloMessage) error {
	record := d.known()
	if m.From.ID == d.self.ID {
		return nil
	}
	if m.Cluster == nil {
		d.remember(m.From)
		return d.say()
	}
	if m.Cluster.ID != record.ID {
		return nil
	}
	d.mu.Lock()
	if known, ok := record.host(m.From.Name); ok && known.ID == m.From.ID {
		d.seen[m.From.Name] = sighting{id: m.From.ID, at: d.clock.Now()}
		delete(d.visitors, m.From.ID)
	}
	d.mu.Unlock()
	switch {
	case m.Cluster.Version < record.Version:
		return d.say()
	case m.Cluster.Version > record.Version:
		return d.adopt(m.Cluster)
	}
	return nil
}

// adopt takes over a newer record, also one that does not have this host any more: so the folder is refused
// at the next start.
func (d *door) adopt(record *clusterRecord) error {
	err := d.join(record)
	if known, ok := record.host(d.name); !ok || known.ID != d.self.ID {
		d.replaced()
	}
	return err
}

// remember notes a host that waits. When there are too many, the one that was silent for longest goes.
func (d *door) remember(h clusterHost) {
	if api.CheckName(h.Name) != nil || h.ID == "" || len(h.ID) > api.MaxNameBytes {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.clock.Now()
	v, ok := d.visitors[h.ID]
	if !ok || v.host.Name != h.Name || now.Sub(v.last) > visitorLife {
		v = visitor{host: clusterHost{Name: h.Name, ID: h.ID}, first: now}
	}
	v.last = now
	d.visitors[h.ID] = v
	if len(d.visitors) <= maxVisitors {
		return
	}
	oldest := v
	for _, other := range d.visitors {
		if other.last.Before(oldest.last) {
			oldest = other
		}
	}
	delete(d.visitors, oldest.host.ID)
}

// waiting lists the hosts that wait to be admitted, in the order of their names.
func (b *bootstrap) waiting() []visitor {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.clock.Now()
	var out []visitor
	for _, v := range b.visitors {
		if now.Sub(v.last) <= visitorLife {
			out = append(out, v)
		}
	}
	slices.SortFunc(out, func(x, y visitor) int {
		return strings.Compare(x.host.Name+" "+x.host.ID, y.host.Name+" "+y.host.ID)
	})
	return out
}

// alive reports whether the host of a visitor's name that the cluster knows is there: this host itself, or one
// that was heard since the visitor came, and lately. It answers each of the visitor's hellos.
func (b *bootstrap) alive(known hostRecord, v visitor) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	s, ok := b.seen[known.Name]
	heard := ok && s.id == known.ID && !s.at.Before(v.first) && b.clock.Now().Sub(s.at) < admissionWatch
	return heard || known.ID == b.self.ID
}

// follow takes over what the catalog says of the hosts, and tells the others, those included that
// wait to be admitted.
func (d *door) follow(view *catalogView) error {
	record := d.known()
	if view.HostsAt <= record.Version {
		return nil
	}
	next := *record
	next.Version, next.Hosts = view.HostsAt, nil
	for _, h := range view.Hosts {
		next.Hosts = append(next.Hosts, clusterHost{Name: h.Name, ID: h.ID, Member: h.Life})
	}
	if err := d.adopt(&next); err != nil {
		return err
	}
	return d.say()
}
