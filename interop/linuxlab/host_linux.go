package linuxlab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/wire"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// MulticastTTL lets what a host sends pass some routers.
const MulticastTTL = 8

// Send sends n probes from a kernel socket of the host, rate a second, or as
// fast as the kernel takes them if rate is 0. It returns how many were sent,
// which is less than n only with an error.
func (h *Host) Send(ctx context.Context, to netip.AddrPort, n, rate int) (int, error) {
	var c *net.UDPConn
	err := h.Do(func() (err error) {
		c, err = net.ListenUDP("udp", &net.UDPAddr{IP: h.Addr.AsSlice()})
		return err
	})
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if h.Addr.Is4() {
		err = ipv4.NewPacketConn(c).SetMulticastTTL(MulticastTTL)
	} else {
		err = ipv6.NewPacketConn(c).SetMulticastHopLimit(MulticastTTL)
	}
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	var b [ProbeLen]byte
	for i := range n {
		if rate > 0 {
			timer.Reset(time.Until(begin.Add(time.Duration(i) * time.Second / time.Duration(rate))))
			select {
			case <-timer.C:
			case <-ctx.Done():
				return i, ctx.Err()
			}
		}
		PutProbe(b[:], uint64(i), time.Now())
		if _, err := c.WriteToUDPAddrPort(b[:], to); err != nil {
			return i, err
		}
	}
	return n, nil
}

// Receiver is a kernel socket that has joined one source of a group.
type Receiver struct {
	pc            *ipv4.PacketConn
	ifi           *net.Interface
	group, source net.Addr
	done          chan struct{}

	mu  sync.Mutex
	got map[netip.Addr]int // guarded by mu
}

// Receive joins (source, group) with MCAST_JOIN_SOURCE_GROUP and counts the
// probes that come to the group and port, until the test ends.
func (h *Host) Receive(t testing.TB, source netip.Addr, group netip.AddrPort) *Receiver {
	t.Helper()
	r := &Receiver{
		group: &net.UDPAddr{IP: group.Addr().AsSlice()}, source: &net.UDPAddr{IP: source.AsSlice()},
		done: make(chan struct{}), got: map[netip.Addr]int{},
	}
	var c *net.UDPConn
	err := h.Do(func() (err error) {
		if r.ifi, err = net.InterfaceByName(NIC); err != nil {
			return err
		}
		if c, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(group)); err != nil {
			return err
		}
		r.pc = ipv4.NewPacketConn(c)
		return r.pc.JoinSourceSpecificGroup(r.ifi, r.group, r.source)
	})
	if err != nil {
		t.Fatal(err)
	}
	go r.count(c)
	t.Cleanup(func() { c.Close(); <-r.done })
	return r
}

func (r *Receiver) count(c *net.UDPConn) {
	defer close(r.done)
	var b [2048]byte
	for {
		n, from, err := c.ReadFromUDPAddrPort(b[:])
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if _, _, ok := ParseProbe(b[:n]); !ok {
			continue
		}
		r.mu.Lock()
		r.got[from.Addr()]++
		r.mu.Unlock()
	}
}

// Got returns how many probes came from a source.
func (r *Receiver) Got(source netip.Addr) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.got[source]
}

// Leave leaves the source again; the socket stays open.
func (r *Receiver) Leave(t testing.TB) {
	t.Helper()
	if err := r.pc.LeaveSourceSpecificGroup(r.ifi, r.group, r.source); err != nil {
		t.Fatal(err)
	}
}

// Sniffer sees every frame at a host's interface, as tcpdump does, and sends
// frames that the host's stack knows nothing of.
type Sniffer struct {
	f *os.File
	b [2048]byte
}

// Sniff opens a Sniffer, which the caller closes.
func (h *Host) Sniff(t testing.TB) *Sniffer {
	t.Helper()
	s := &Sniffer{}
	err := h.Do(func() error {
		ifi, err := net.InterfaceByName(NIC)
		if err != nil {
			return err
		}
		const all = unix.ETH_P_ALL<<8 | unix.ETH_P_ALL>>8 // network order
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("packet socket: %w", err)
		}
		s.f = os.NewFile(uintptr(fd), "packet socket")
		return unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all & 0xffff, Ifindex: ifi.Index})
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Close ends it.
func (s *Sniffer) Close() error { return s.f.Close() }

// Datagram is a UDP datagram seen on the wire. Payload is valid until the next.
type Datagram struct {
	Src, Dst netip.AddrPort
	TTL      uint8
	Payload  []byte
}

// Next waits up to limit for the next frame, which is valid until the one after.
func (s *Sniffer) Next(limit time.Duration) ([]byte, error) {
	if err := s.f.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return nil, err
	}
	n, err := s.f.Read(s.b[:])
	return s.b[:n], err
}

// NextUDP waits up to limit for the next UDP datagram.
func (s *Sniffer) NextUDP(limit time.Duration) (Datagram, error) {
	for end := time.Now().Add(limit); ; {
		frame, err := s.Next(time.Until(end))
		if err != nil {
			return Datagram{}, err
		}
		if d, ok := parseUDP(frame); ok {
			return d, nil
		}
	}
}

// Write sends a frame as it is.
func (s *Sniffer) Write(frame []byte) (int, error) { return s.f.Write(frame) }

func parseUDP(b []byte) (Datagram, bool) {
	e, fault := wire.ParseEther(b)
	if fault != wire.OK || e.Type() != wire.EtherTypeIPv4 && e.Type() != wire.EtherTypeIPv6 {
		return Datagram{}, false
	}
	p, fault := wire.ParseIP(e.Payload())
	if fault != wire.OK || p.Proto() != wire.ProtoUDP || p.IsFragment() {
		return Datagram{}, false
	}
	u, fault := wire.ParseUDP(p.Payload())
	if fault != wire.OK {
		return Datagram{}, false
	}
	return Datagram{
		Src: netip.AddrPortFrom(p.Src(), u.SrcPort()), Dst: netip.AddrPortFrom(p.Dst(), u.DstPort()),
		TTL: p.TTL(), Payload: u.Payload(),
	}, true
}
