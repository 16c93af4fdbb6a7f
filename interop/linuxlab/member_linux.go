package linuxlab

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// Member is a kernel socket that makes the requests of RFC 3678 on the host's
// interface, and counts the probes that come.
type Member struct {
	c     *net.UDPConn
	index uint32
	level int
	addr  netip.Addr // the host's
	done  chan struct{}

	mu  sync.Mutex
	got map[netip.Addr]int // guarded by mu
}

// Member opens a socket at a port of the host, which is closed when the test
// ends.
func (h *Host) Member(t testing.TB, port int) *Member {
	t.Helper()
	m := &Member{level: unix.IPPROTO_IP, addr: h.Addr, done: make(chan struct{}), got: map[netip.Addr]int{}}
	network := "udp4"
	if h.Addr.Is6() {
		network, m.level = "udp6", unix.IPPROTO_IPV6
	}
	err := h.Do(func() error {
		ifi, err := net.InterfaceByName(NIC)
		if err != nil {
			return err
		}
		m.index = uint32(ifi.Index)
		if m.c, err = net.ListenUDP(network, &net.UDPAddr{Port: port}); err != nil {
			return err
		}
		return m.set(optionAll(m.level), make([]byte, 4))
	})
	if err != nil {
		t.Fatal(err)
	}
	go m.count()
	t.Cleanup(func() { m.c.Close(); <-m.done })
	return m
}

// optionAll is the option that lets a socket hear what others on the host have
// joined, which is on unless one says otherwise.
func optionAll(level int) int {
	if level == unix.IPPROTO_IPV6 {
		return unix.IPV6_MULTICAST_ALL
	}
	return unix.IP_MULTICAST_ALL
}

func (m *Member) count() {
	defer close(m.done)
	var b [2048]byte
	for {
		n, from, err := m.c.ReadFromUDPAddrPort(b[:])
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if _, _, ok := ParseProbe(b[:n]); !ok {
			continue
		}
		m.mu.Lock()
		m.got[from.Addr().Unmap()]++
		m.mu.Unlock()
	}
}

// Got returns how many probes came from a source.
func (m *Member) Got(source netip.Addr) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.got[source]
}

// Reset forgets what came so far.
func (m *Member) Reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.got)
}

func (m *Member) set(option int, value []byte) error {
	raw, err := m.c.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = unix.SetsockoptString(int(fd), m.level, option, string(value)) })
	return errors.Join(err, failed)
}

// storageLen is the length of a sockaddr_storage, which is aligned to 8 bytes.
const storageLen = 128

func storage(a netip.Addr) []byte {
	b := make([]byte, storageLen)
	if a.Is4() {
		binary.NativeEndian.PutUint16(b, unix.AF_INET)
		copy(b[4:], a.AsSlice())
	} else {
		binary.NativeEndian.PutUint16(b, unix.AF_INET6)
		copy(b[8:], a.AsSlice())
	}
	return b
}

// request begins what all of RFC 3678's protocol-independent requests begin with.
func (m *Member) request(group netip.Addr) []byte {
	b := binary.NativeEndian.AppendUint32(nil, m.index)
	return append(append(b, 0, 0, 0, 0), storage(group)...)
}

func (m *Member) must(t testing.TB, what string, option int, value []byte) {
	t.Helper()
	if err := m.set(option, value); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// Join makes the socket hear all sources of a group.
func (m *Member) Join(t testing.TB, group netip.Addr) {
	t.Helper()
	m.must(t, "MCAST_JOIN_GROUP", unix.MCAST_JOIN_GROUP, m.request(group))
}

// Leave ends a membership of either mode.
func (m *Member) Leave(t testing.TB, group netip.Addr) {
	t.Helper()
	m.must(t, "MCAST_LEAVE_GROUP", unix.MCAST_LEAVE_GROUP, m.request(group))
}

// JoinSource makes the socket hear one source more.
func (m *Member) JoinSource(t testing.TB, group, source netip.Addr) {
	t.Helper()
	m.must(t, "MCAST_JOIN_SOURCE_GROUP", unix.MCAST_JOIN_SOURCE_GROUP, append(m.request(group), storage(source)...))
}

// LeaveSource makes it hear one less.
func (m *Member) LeaveSource(t testing.TB, group, source netip.Addr) {
	t.Helper()
	m.must(t, "MCAST_LEAVE_SOURCE_GROUP", unix.MCAST_LEAVE_SOURCE_GROUP, append(m.request(group), storage(source)...))
}

// Block makes a socket that hears all sources deaf to one.
func (m *Member) Block(t testing.TB, group, source netip.Addr) {
	t.Helper()
	m.must(t, "MCAST_BLOCK_SOURCE", unix.MCAST_BLOCK_SOURCE, append(m.request(group), storage(source)...))
}

// Unblock undoes Block.
func (m *Member) Unblock(t testing.TB, group, source netip.Addr) {
	t.Helper()
	m.must(t, "MCAST_UNBLOCK_SOURCE", unix.MCAST_UNBLOCK_SOURCE, append(m.request(group), storage(source)...))
}

// Filter replaces the filter of a group that the socket has joined: the sources
// are those that it hears, or does not.
func (m *Member) Filter(t testing.TB, group netip.Addr, exclude bool, sources ...netip.Addr) {
	t.Helper()
	b := binary.NativeEndian.AppendUint32(m.request(group), filterMode(exclude))
	b = binary.NativeEndian.AppendUint32(b, uint32(len(sources)))
	for _, s := range sources {
		b = append(b, storage(s)...)
	}
	m.must(t, "MCAST_MSFILTER", unix.MCAST_MSFILTER, b)
}

// Filter4 is Filter by the request that only IPv4 has.
func (m *Member) Filter4(t testing.TB, group netip.Addr, exclude bool, sources ...netip.Addr) {
	t.Helper()
	b := append(group.AsSlice(), m.addr.AsSlice()...)
	b = binary.NativeEndian.AppendUint32(b, filterMode(exclude))
	b = binary.NativeEndian.AppendUint32(b, uint32(len(sources)))
	for _, s := range sources {
		b = append(b, s.AsSlice()...)
	}
	m.must(t, "IP_MSFILTER", unix.IP_MSFILTER, b)
}

func filterMode(exclude bool) uint32 {
	if exclude {
		return unix.MCAST_EXCLUDE
	}
	return unix.MCAST_INCLUDE
}
