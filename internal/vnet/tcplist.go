package vnet

import (
	"iter"

	"github.com/seed88948545/vimage/internal/proto/tcp"
)

// TCPEntry is one line of a listing of connections.
type TCPEntry struct {
	tcpKey
	State        tcp.State
	RecvQ, SendQ int // bytes not read, bytes not acknowledged; of a listener: waiting, limit
	FIB          uint32
	Sock         *TCPSock // if it has one
}

// TCPEntries lists the stack's TCP sockets and what there is without one: of
// each shard, connections, those in the SYN cache, and those in TIME-WAIT.
func (st *Stack) TCPEntries() iter.Seq[TCPEntry] {
	return func(yield func(TCPEntry) bool) {
		for i := range st.Shards() {
			for _, e := range st.shardAt(i).tcpEntries() {
				if !yield(e) {
					return
				}
			}
		}
	}
}

func (sh *shard) tcpEntries() (all []TCPEntry) {
	sh.mu.Lock()
	defer sh.release()
	t := sh.rooms.tcp
	if t == nil {
		return nil
	}
	for s := range t.conns.All() {
		all = append(all, TCPEntry{s.tcpKey, s.conn.State(), s.in.Len(), s.out.Unacked(), s.FIB, s})
	}
	for r := range t.syns.All() {
		all = append(all, TCPEntry{tcpKey: tcpKey(r.Key), State: tcp.SYNRCVD, FIB: r.FIB})
	}
	for w := range t.waits.All() {
		all = append(all, TCPEntry{tcpKey: tcpKey(w.Key), State: tcp.TIMEWAIT, FIB: w.FIB})
	}
	return all
}
