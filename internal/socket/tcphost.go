package socket

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/seed88948545/vimage/internal/proto/tcp/syn"
	"github.com/seed88948545/vimage/internal/table"
)

// TCPHost is what all shards of a stack share of TCP: bound ports, which are
// looked up without a lock, secrets, and what servers have given for the next
// time. Init must be called before use.
type TCPHost[L any] struct {
	Ports  Ports[L]
	Secret syn.Secret
	chosen atomic.Uint32 // local ports chosen so far (RFC 6056 §3.3.3)

	mu      sync.Mutex // a leaf
	cookies syn.Jar    // of servers; guarded by mu
}

// Init draws the secret.
func (h *TCPHost[L]) Init(seed table.Seed, random func() uint64) {
	h.Ports.Seed = seed
	for i := 0; i < len(h.Secret); i += 8 {
		binary.LittleEndian.PutUint64(h.Secret[i:], random())
	}
}

// PortOffset returns where to begin the search for a port from which nobody
// else is connected to remote.
func (h *TCPHost[L]) PortOffset(local netip.Addr, remote netip.AddrPort) uint32 {
	return h.Secret.TSOffset(netip.AddrPortFrom(local, 0), remote) + h.chosen.Add(1)
}

// KeepCookie keeps the Fast Open cookie that a server gave us.
func (h *TCPHost[L]) KeepCookie(server netip.Addr, cookie []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cookies.Put(server, cookie)
}

// Cookie returns the cookie of a server, nil where it has given none.
func (h *TCPHost[L]) Cookie(server netip.Addr) []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.cookies.Get(server)
}
