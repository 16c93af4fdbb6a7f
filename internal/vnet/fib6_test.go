package vnet_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/control/stacktest"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/internal/wire"
)

// TestFIBs6: which table routes a packet of IPv6 (behaviour 4.3, rules 1, 2, 4, 5).
func TestFIBs6(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		c := clock.NewSim()
		w := vnet.NewWorld(vnet.Config{Clock: c})
		st, e := stacktest.New(t, w, vnet.StackConfig{Name: "h", Shards: shards})
		must(t, e)
		must(t, control.SetFIBs(st, 2))
		must(t, st.SetSysctl("net.inet6.ip6.forwarding", 1))
		var taps [2]*tap
		for i := range taps {
			taps[i], _ = newTap6(t, st, fmt.Sprint("e", i), 0, i, fmt.Sprintf("2001:db8:%d::1/64", i))
			must(t, control.AddRoute(st, i, control.Route{Dst: prefix("2001:db8:9::/64"), Gateway: netip.MustParseAddr(fmt.Sprintf("2001:db8:%d::2", i))}))
		}
		far := addrPort("[2001:db8:9::9]:7")
		leaves := func(what string, by int) {
			t.Helper()
			run(c, 10*time.Millisecond)
			for i, tp := range taps {
				if n := len(tp.take6(t)); (n != 0) != (i == by) {
					t.Errorf("%s: %d packets by link %d", what, n, i)
				}
			}
		}
		run(c, time.Second)
		leaves("nothing", -1)
		for i := range 2 {
			s, e := usrreq.ListenUDP(st, addrPort("[::]:0"), uint32(i), 0)
			must(t, e)
			send(t, s, "x", far.String())
			leaves("rule 1, UDP", i)
			raw, e := usrreq.ListenRaw(st, wire.ProtoICMPv6, netip.IPv6Unspecified(), uint32(i))
			must(t, e)
			if _, err := raw.WriteTo(echo6(8), netip.AddrPortFrom(far.Addr(), 0), nil); err != nil {
				t.Fatal(err)
			}
			leaves("rule 1, raw", i)
			raw.Close()
			conn, e := usrreq.ConnectTCP(st, addrPort("[::]:0"), far, &socket.TCPOptions{FIB: uint32(i)})
			must(t, e)
			leaves("rule 1, TCP", i)
			conn.Abort()
			leaves("the end of it", -1)

			tp, self := taps[i], addr(fmt.Sprintf("2001:db8:%d::1", i))
			tp.inject(tp.udp6Frame("[2001:db8:8::8]:9", "[2001:db8:9::9]:7", "x", wire.ProtoUDP))
			leaves("rule 2", i)
			tp.inject(tp.icmp6Frame(far.Addr(), self, 64, echo6(8)))
			leaves("rule 5, echo", i)
			tp.inject(tp.udp6Frame(far.String(), netip.AddrPortFrom(self, 99).String(), "x", wire.ProtoUDP))
			leaves("rule 5, error", i)
			syn := make([]byte, wire.TCPLen)
			wire.PutTCP(syn, &wire.TCPHeader{SrcPort: 5000, DstPort: 80, Seq: 1, Flags: wire.SYN, Window: 1000})
			tp.sum = pkt.SumValid
			frame := tp.frame6(far.Addr(), self, 64, wire.ProtoTCP, syn)
			wire.CompleteIPv6(wire.IPv6(frame[wire.EtherLen:]))
			tp.inject(frame)
			leaves("rule 5, reset", i)
			l, e := usrreq.ListenTCP(st, addrPort("[::]:80"), 0, &socket.TCPOptions{FIB: uint32(1 - i)})
			must(t, e)
			tp.inject(frame)
			leaves("rule 4", 1-i)
			l.Close()
			run(c, 2*time.Minute)
			for _, tp := range taps {
				tp.take()
			}
		}
		empty(t, w)
	})
}
