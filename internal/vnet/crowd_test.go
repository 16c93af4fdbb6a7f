package vnet_test

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/control/stacktest"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/internal/wire"
)

const crowdSize = 10000

// crowd is a host that is a member of many groups.
type crowd struct {
	t           *testing.T
	c           *clock.Sim
	tp          *tap
	six         bool
	socks       [3]usrreq.Sock
	query, echo []byte // frames for it
}

func newCrowd(t *testing.T, six bool, groups int) *crowd {
	k := &crowd{t: t, c: clock.NewSim(), six: six}
	w := vnet.NewWorld(vnet.Config{Clock: k.c, Seed: 1})
	listenAt, join := "0.0.0.0:0", usrreq.McastJoin
	st, e := stacktest.New(t, w, vnet.StackConfig{Name: "h"})
	must(t, e)
	if six {
		listenAt = "[::]:0"
		k.tp, _ = newTap6(t, st, "e0", 0, 0, "2001:db8::1/64")
		src, all := addr("fe80::99"), netip.IPv6LinkLocalAllNodes()
		q := make([]byte, wire.MLDv2QueryLen)
		wire.PutMLDv2Query(q, &wire.MLDv2QueryHeader{MaxRespCode: 10000, Group: netip.IPv6Unspecified(), QRV: 2, QQIC: 125}, nil)
		wire.ICMP6(q).SetChecksum(src, all)
		alert := wire.RouterAlert6(wire.ProtoICMPv6, 0)
		k.query = k.tp.frame6(src, all, 1, wire.ProtoHopByHop, alert[:], q)
		k.echo = k.tp.icmp6Frame(addr("2001:db8::2"), addr("2001:db8::1"), 9, echo6(8))
	} else {
		k.tp, _ = newTap(t, st, "e0", "10.0.0.1/24", 0)
		k.tp.learn("10.0.0.2", "10.0.0.1")
		src, all := addr("10.0.0.2"), addr("224.0.0.1")
		q := make([]byte, wire.IGMPv3QueryLen)
		wire.PutIGMPv3Query(q, &wire.IGMPv3QueryHeader{MaxRespCode: 100, Group: netip.IPv4Unspecified(), QRV: 2, QQIC: 125}, nil)
		k.query = k.tp.frameTo(wire.MulticastMAC(all), &wire.IPHeader{TTL: 1, Proto: wire.ProtoIGMP, Src: src, Dst: all, Options: alert4()}, q)
		k.echo = k.tp.frameTo(k.tp.peer, &wire.IPHeader{TTL: 9, Proto: wire.ProtoICMP, Src: src, Dst: addr("10.0.0.1")}, echo4(8))
	}
	for i := range groups {
		s := &k.socks[i/4000]
		if s.Sock == nil {
			*s = listen(t, st, listenAt)
		}
		must(t, s.Mcast(join, usrreq.McastIf{Index: anIf}, k.group(i), netip.Addr{}))
	}
	run(k.c, 2*time.Minute)
	k.tp.take()
	return k
}

func (k *crowd) group(i int) netip.Addr {
	if k.six {
		return netip.AddrFrom16([16]byte{0xff, 0x1e, 14: byte(i >> 8), 15: byte(i)})
	}
	return netip.AddrFrom4([4]byte{239, 1, byte(i >> 8), byte(i)})
}

// heard counts what came since it was called before: reports, their records, and
// answers to echoes.
func (k *crowd) heard() (reports, records, answers int) {
	for _, f := range k.tp.take() {
		e, _ := wire.ParseEther(f)
		var m []byte
		switch e.Type() {
		case wire.EtherTypeIPv4:
			ip, _ := wire.ParseIPv4(e.Payload())
			m = ip.Payload()
			switch {
			case ip.Proto() == wire.ProtoICMP:
				answers++
				continue
			case ip.Proto() != wire.ProtoIGMP:
				continue
			}
		case wire.EtherTypeIPv6:
			ip, _ := wire.ParseIPv6(e.Payload())
			m = ip[ip.Walk(&wire.ExtLimits{}, wire.WalkDest).Off:]
			switch m[0] {
			case wire.ICMP6EchoReply:
				answers++
				continue
			case wire.ICMP6MLDv2Report:
			default:
				continue
			}
		default:
			continue
		}
		reports++
		records += int(binary.BigEndian.Uint16(m[6:]))
	}
	return reports, records, answers
}

// listen lets time pass, and sends an echo with each thing that happens, which must
// be answered before the next. It returns how much was reported, and the most
// reports at once.
func (k *crowd) listen(d time.Duration) (records, most, bursts int) {
	k.t.Helper()
	end := k.c.Now().Add(d)
	most, records, _ = k.heard() // what is said at once
	bursts = min(most, 1)
	for {
		if !k.c.Step(end) {
			return records, most, bursts
		}
		k.tp.inject(k.echo)
		reports, n, answers := k.heard()
		if answers == 0 {
			k.t.Fatal("an echo waits")
		}
		records, most = records+n, max(most, reports)
		if reports > 0 {
			bursts++
		}
	}
}

// TestManyGroupsAnswer: who is a member of 10,000 groups and is asked about all of
// them answers in bursts of at most 16 reports, and other traffic goes on between
// them. So it does when its sockets are closed.
func TestManyGroupsAnswer(t *testing.T) {
	t.Run("IPv4", func(t *testing.T) { manyGroups(newCrowd(t, false, crowdSize)) })
	t.Run("IPv6", func(t *testing.T) { manyGroups(newCrowd(t, true, crowdSize)) })
}

func manyGroups(k *crowd) {
	k.tp.inject(k.query)
	if records, most, bursts := k.listen(2 * time.Minute); records < crowdSize || most > 16 || bursts < 3 {
		k.t.Errorf("asked: %d records, at most %d reports at once, in %d bursts", records, most, bursts)
	}
	closed := 0
	for i := range k.socks {
		k.socks[i].Close()
		records, most, _ := k.listen(time.Minute)
		closed += records
		if most > 16 {
			k.t.Errorf("closed: %d reports at once", most)
		}
	}
	if closed != 2*crowdSize {
		k.t.Errorf("closed: %d records", closed)
	}
}

// TestCloseReportsOnce: a socket that is closed has all it leaves reported
// together, at once, and its only group too.
func TestCloseReportsOnce(t *testing.T) {
	for _, six := range []bool{false, true} {
		for _, groups := range []int{1, 2, 60} {
			k := newCrowd(t, six, groups)
			k.socks[0].Close()
			if reports, records, _ := k.heard(); reports != 1 || records != groups {
				t.Errorf("IPv6 %v, %d groups: %d reports with %d records", six, groups, reports, records)
			}
		}
	}
}
