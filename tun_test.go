package vimage_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/wire"
)

func prefixes(all ...string) (p []netip.Prefix) {
	for _, a := range all {
		p = append(p, netip.MustParsePrefix(a))
	}
	return p
}

// udpPacket is a datagram from port 9 to port 7 with its headers.
func udpPacket(src, dst, data string) []byte {
	hd := wire.IPHeader{Src: netip.MustParseAddr(src), Dst: netip.MustParseAddr(dst), TTL: 64, Proto: wire.ProtoUDP}
	b := make([]byte, hd.Len()+wire.UDPLen+len(data))
	u := wire.UDP(b[hd.Len():])
	wire.PutUDP(u, 9, 7, len(data))
	copy(u[wire.UDPLen:], data)
	u.SetChecksum(hd.Src, hd.Dst)
	wire.PutIP(b, &hd, len(u))
	return b
}

// TestTun sends packets of both families through a tun, in simulated time.
func TestTun(t *testing.T) {
	w := world(t, vimage.Config{Simulated: true})
	s := must(w.NewStack("s", vimage.StackConfig{}))(t)
	tun := must(s.AddTun("tun0", vimage.InterfaceConfig{Addrs: prefixes("10.0.0.1/24", "2001:db8::1/64")}))(t)
	if f := tun.Net().Flags; f&net.FlagPointToPoint == 0 || f&net.FlagBroadcast != 0 || tun.Net().HardwareAddr != nil {
		t.Errorf("%+v", tun.Net())
	}
	called := 0
	tun.OnReadable(func() { called++ })
	buf := make([]byte, 2000)
	for _, c := range [][2]string{{"10.0.0.1", "10.0.0.9"}, {"2001:db8::1", "2001:db8::9"}} {
		conn := must(s.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(c[0]), Port: 7}))(t)
		if _, err := tun.Write(udpPacket(c[1], c[0], "in")); err != nil {
			t.Fatal(err)
		}
		n, from, ok, err := conn.TryReadFrom(buf)
		if string(buf[:n]) != "in" || !ok || err != nil || from.String() != netip.AddrPortFrom(netip.MustParseAddr(c[1]), 9).String() {
			t.Errorf("%s: read %q from %v, %v", c[0], buf[:n], from, err)
		}
		for { // what the interface itself has to say
			if _, ok, _ := tun.TryRead(buf); !ok {
				break
			}
		}
		called = 0
		conn.WriteToUDP([]byte("out"), &net.UDPAddr{IP: net.ParseIP(c[1]), Port: 9})
		n, ok, err = tun.TryRead(buf)
		if want := udpPacket(c[1], c[0], "out"); called != 1 || !ok || err != nil || n != len(want) {
			t.Errorf("%s: called %d times, read %d bytes, %v", c[0], called, n, err)
		}
		ip, f := wire.ParseIP(buf[:n])
		if u, uf := wire.ParseUDP(ip.Payload()); f != wire.OK || uf != wire.OK || u.Checksum() == 0 || !u.ChecksumOK(ip.Src(), ip.Dst()) {
			t.Errorf("%s: %x", c[0], buf[:n])
		}
		conn.Close()
	}
	for _, c := range []struct {
		b    []byte
		want error
	}{
		{nil, syscall.EINVAL},
		{[]byte("no packet"), syscall.EINVAL},
		{append(udpPacket("10.0.0.9", "10.0.0.1", "x"), 0), syscall.EINVAL},
		{udpPacket("10.0.0.9", "10.0.0.1", string(make([]byte, 1473))), syscall.EMSGSIZE},
	} {
		if _, err := tun.Write(c.b); !errors.Is(err, c.want) {
			t.Errorf("%d bytes: %v, want %v", len(c.b), err, c.want)
		}
	}
	if n := must(tun.Stats())(t); n.InPackets != 2 || n.OutPackets < 2 {
		t.Errorf("%+v", n)
	}
}

// TestTunFIB is rule 7 of the selection of tables: what is written to a tun is
// routed by the table of the tun.
func TestTunFIB(t *testing.T) {
	w := world(t, vimage.Config{Simulated: true})
	s := must(w.NewStack("s", vimage.StackConfig{FIBs: 2}))(t)
	s.SetForwarding(true)
	a := must(s.AddTun("tun0", vimage.InterfaceConfig{Addrs: prefixes("10.0.0.1/24")}))(t)
	b := must(s.AddTun("tun1", vimage.InterfaceConfig{Addrs: prefixes("10.0.1.1/24")}))(t)
	in := must(s.AddTun("tun2", vimage.InterfaceConfig{FIB: 1}))(t)
	fib1 := must(s.FIB(1))(t)
	for _, r := range []struct {
		s   *vimage.Stack
		via string
	}{{s, "tun0"}, {fib1, "tun1"}} {
		if err := r.s.AddRoute(vimage.Route{Dst: netip.MustParsePrefix("192.0.2.0/24"), Interface: r.via}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := in.Write(udpPacket("10.0.2.9", "192.0.2.1", "x")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	if _, ok, _ := a.TryRead(buf); ok {
		t.Error("routed by table 0")
	}
	if n, ok, _ := b.TryRead(buf); !ok || n != 29 {
		t.Errorf("read %d bytes", n)
	}
}

// TestTunDeadlines keeps the promises of package net, in a bubble.
func TestTunDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, vimage.Config{})
		s := must(w.NewStack("s", vimage.StackConfig{}))(t)
		tun := must(s.AddTun("tun0", vimage.InterfaceConfig{Addrs: prefixes("10.0.0.1/24")}))(t)
		start := time.Now()
		tun.SetReadDeadline(start.Add(time.Second))
		_, err := tun.Read(make([]byte, 9))
		wantErr(t, "read after the deadline", err, os.ErrDeadlineExceeded)
		if took := time.Since(start); took != time.Second {
			t.Errorf("it took %v", took)
		}
		tun.SetDeadline(start)
		_, err = tun.Write(udpPacket("10.0.0.2", "10.0.0.1", ""))
		wantErr(t, "write after the deadline", err, os.ErrDeadlineExceeded)
		tun.SetDeadline(time.Time{})
		done := make(chan error)
		go func() {
			_, err := tun.Read(make([]byte, 9))
			done <- err
		}()
		synctest.Wait()
		if err := tun.Close(); err != nil {
			t.Error(err)
		}
		wantErr(t, "read while it is closed", <-done, net.ErrClosed)
		_, err = tun.Write(udpPacket("10.0.0.2", "10.0.0.1", ""))
		wantErr(t, "write after Close", err, net.ErrClosed)
		if _, err := s.Interface("tun0"); err == nil {
			t.Error("the interface is still there")
		}
	})
}

// TestTunTCP has two stacks speak TCP through programs that copy packets, to which
// no super-segment may come.
func TestTunTCP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, vimage.Config{})
		stacks := [2]*vimage.Stack{}
		tuns := [2]*vimage.Tun{}
		for i, n := range []string{"a", "b"} {
			stacks[i] = must(w.NewStack(n, vimage.StackConfig{Shards: 1 + 3*i}))(t)
			tuns[i] = must(stacks[i].AddTun("tun0", vimage.InterfaceConfig{Addrs: prefixes([]string{"10.0.0.1/24", "10.0.0.2/24"}[i])}))(t)
		}
		for i := range tuns {
			go func() {
				b := make([]byte, 65536)
				for {
					n, err := tuns[i].Read(b)
					if err != nil {
						return
					}
					if n > 1500 {
						t.Errorf("a packet of %d bytes", n)
					}
					tuns[1-i].Write(b[:n])
				}
			}()
		}
		l := must(stacks[1].Listen("tcp", "10.0.0.2:80"))(t)
		data := bytes.Repeat([]byte("0123456789abcde"), 20000)
		go func() {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Write(data)
			c.Close()
		}()
		c := must(stacks[0].Dial("tcp", "10.0.0.2:80"))(t)
		got, err := io.ReadAll(c)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		c.Close()
		l.Close()
		for _, tun := range tuns {
			tun.Close()
		}
	})
}
