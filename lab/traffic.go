package lab

import (
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/link"
)

// LinkTraffic is what has gone one way on a link.
type LinkTraffic struct {
	// Packets is how many the interface there has received. A switch counts what comes
	// to it from another one, or through faults that the link was made with; else this
	// is how many the interface at the other end has sent, whether they came or not. A
	// super-segment is one.
	Packets uint64
	Bytes   uint64 // of these
	Lost    uint64 // packets that faults have lost, or a cut
}

// Traffic returns what has gone toward the first end of the link, and toward the second. An
// interface that has been moved to another stack counts from there on.
func (l *Link) Traffic() (toward [2]LinkTraffic) {
	f := l.Fault()
	for k := range l.ends {
		t := &toward[k]
		t.Packets, t.Bytes = cameTo(&l.ends[k], &l.ends[1-k])
		if f == nil {
			continue
		}
		for _, n := range f.Stats([...]link.FaultDir{link.BtoA, link.AtoB}[k]).Dropped {
			t.Lost += n
		}
	}
	return toward
}

// cameTo returns what has come to one end from the other.
func cameTo(e, from *End) (packets, bytes uint64) {
	switch {
	case e.port != nil:
		s := e.stats()
		return s.InPackets, s.InBytes
	case e.teed != nil:
		return e.teed.In.Load()
	case from.port != nil:
		s := from.stats()
		return s.OutPackets, s.OutBytes
	case from.teed != nil:
		return from.teed.Out.Load()
	}
	return 0, 0
}

// stats returns what the interface at a node's end has counted, wherever it is; nothing
// where it is gone.
func (e *End) stats() (s ifnet.Stats) {
	if st, index := e.found(); st != nil {
		s, _ = st.IfaceStats(index)
	}
	return s
}

// IsCut tells whether the link is cut both ways: see Cut.
func (l *Link) IsCut() bool {
	f := l.Fault()
	return f != nil && f.Config(link.AtoB).Down && f.Config(link.BtoA).Down
}
