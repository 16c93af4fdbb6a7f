//go:build unix

// Command receive measures what it costs one stack to receive datagrams: for each
// line that it reads, a time to spend in nanoseconds, it prints the nanoseconds
// that a datagram took, of processor time of the whole process. It needs one stack
// and so runs in programs built with -tags novimage, too.
package main

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/link"
)

const (
	burst   = 64 // datagrams between two turns of the reader
	payload = 18 // makes the shortest frame
)

// port is a wire whose far end is this program.
type port struct {
	link.Port
	to netisr.Lender
}

func (p *port) Attach(rx netisr.Lender) { p.to = rx }

func main() {
	m, err := prepare()
	for in := bufio.NewScanner(os.Stdin); err == nil && in.Scan(); {
		var budget int
		if budget, err = strconv.Atoi(in.Text()); err == nil {
			var ns float64
			if ns, err = m.round(time.Duration(budget)); err == nil {
				fmt.Println(ns)
			}
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "receive:", err)
		os.Exit(1)
	}
}

// measurement is a socket of vnet0 and what is sent to it.
type measurement struct {
	sched *netisr.Sched
	port  *port
	conn  *vimage.UDPConn
	frame []byte
}

func prepare() (*measurement, error) {
	w := vimage.NewWorld(vimage.Config{})
	s := w.Stack("vnet0")
	m := &measurement{sched: w.Internal().Sched(), port: &port{Port: link.NewEpair(0).A()}}
	us, them := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	mac := wire.MAC{2, 0, 0, 0, 0, 1}
	if _, err := s.AddInterface("e0", vimage.InterfaceConfig{Port: m.port, MAC: net.HardwareAddr(mac[:]), Addrs: []netip.Prefix{netip.PrefixFrom(us, 24)}}); err != nil {
		return nil, err
	}
	c, err := s.ListenUDP("udp4", &net.UDPAddr{Port: 9})
	if err != nil {
		return nil, err
	}
	m.conn = c
	m.frame = make([]byte, wire.EtherLen+wire.IPv4Len+8+payload)
	wire.PutEther(m.frame, mac, wire.MAC{2, 0, 0, 0, 0, 2}, wire.EtherTypeIPv4)
	ip := m.frame[wire.EtherLen:]
	wire.PutIPv4(ip, &wire.IPv4Header{TTL: 64, Proto: wire.ProtoUDP, Src: them, Dst: us}, 8+payload)
	wire.PutUDP(ip[wire.IPv4Len:], 9, 9, payload)
	return m, nil
}

// round receives for about a time and returns what a datagram took.
func (m *measurement) round(budget time.Duration) (float64, error) {
	buf := make([]byte, 2048)
	n, start, cpu := 0, time.Now(), cpuTime()
	for time.Since(start) < budget {
		r := m.sched.Get()
		for range burst {
			b := r.Cache.Get(len(m.frame))
			copy(b.Extend(len(m.frame)), m.frame)
			b.Sum = pkt.SumValid
			m.port.to.Put(r, b)
		}
		r.Done()
		for range burst {
			if got, _, err := m.conn.ReadFromUDPAddrPort(buf); err != nil || got != payload {
				return 0, fmt.Errorf("read %d bytes: %w", got, err)
			}
		}
		n += burst
	}
	return float64(cpuTime()-cpu) / float64(n), nil
}

// cpuTime returns the processor time of all threads.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
