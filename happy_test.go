package vimage_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed88948545/vimage"
)

// named makes the pair of pair6 of which b listens on port 80 in both families,
// and names for a to dial.
func named(t *testing.T) (a, b *vimage.Stack, l net.Listener) {
	a, b = pair6(t, world(t, vimage.Config{Seed: 1}))
	l = must(b.Listen("tcp", ":80"))(t)
	t.Cleanup(func() { l.Close() })
	const (
		good4, good6 = "10.0.0.2", "2001:db8::2"
		gone4, gone6 = "10.0.0.99", "2001:db8::99" // on the link, and nobody has them
	)
	hosts := map[string][]netip.Addr{}
	for name, list := range map[string][]string{
		"good": {good4, good6}, "no6": {good4, gone6}, "no4": {gone4, good6}, "none": {gone4, gone6},
		"only4": {good4}, "many": {gone6, "2001:db8::98", "2001:db8::97", good4},
	} {
		for _, s := range list {
			hosts[name] = append(hosts[name], netip.MustParseAddr(s))
		}
	}
	a.SetResolver(&vimage.Resolver{Hosts: hosts})
	return a, b, l
}

// preferIPv4 is RFC 6724's table with the line that §10.3 suggests.
func preferIPv4(t *testing.T, s *vimage.Stack) {
	t.Helper()
	table := s.AddressPolicy()
	for i := range table {
		if table[i].Prefix == netip.MustParsePrefix("::ffff:0:0/96") {
			table[i].Precedence = 100
		}
	}
	if err := s.SetAddressPolicy(table); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(s.AddressPolicy(), table) {
		t.Errorf("%v, want %v", s.AddressPolicy(), table)
	}
}

// TestHappyEyeballs: a family that does not answer costs the Connection Attempt
// Delay and no more (RFC 8305 §5).
func TestHappyEyeballs(t *testing.T) {
	for _, c := range []struct {
		name    string
		prefer4 bool
		delay   time.Duration // Dialer.FallbackDelay
		host    string
		want    string
		took    time.Duration
	}{
		{"both answer", false, 0, "good", "2001:db8::2", 0},
		{"both answer, IPv4 first", true, 0, "good", "10.0.0.2", 0},
		{"one address", false, 0, "only4", "10.0.0.2", 0},
		{"IPv6 does not answer", false, 0, "no6", "10.0.0.2", 250 * time.Millisecond},
		{"nor with another delay", false, 100 * time.Millisecond, "no6", "10.0.0.2", 100 * time.Millisecond},
		{"IPv4 does not answer", true, 0, "no4", "2001:db8::2", 250 * time.Millisecond},
		{"it is not asked", false, 0, "no4", "2001:db8::2", 0},
		{"families take turns", false, 0, "many", "10.0.0.2", 250 * time.Millisecond},
		{"one after the other", false, -1, "no6", "10.0.0.2", 3 * time.Second}, // neighbour discovery gives up
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, _, l := named(t)
				if c.prefer4 {
					preferIPv4(t, a)
				}
				d := vimage.Dialer{Stack: a, FallbackDelay: c.delay}
				start := time.Now()
				conn, err := d.Dial("tcp", c.host+":80")
				if took := time.Since(start); err != nil || took != c.took {
					t.Fatalf("%v after %v, want %v", err, took, c.took)
				}
				if got := conn.RemoteAddr().(*net.TCPAddr).IP.String(); got != c.want {
					t.Errorf("connected to %s, want %s", got, c.want)
				}
				conn.Close()
				must(l.Accept())(t).Close()
				l.(*vimage.TCPListener).SetDeadline(time.Now().Add(time.Minute))
				if late, err := l.Accept(); err == nil {
					t.Errorf("and from %v", late.RemoteAddr())
				}
			})
		})
	}
}

// TestHappyEyeballsFail: where nobody answers, the first error is told, and a
// deadline or a context's end ends everything.
func TestHappyEyeballsFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, l := named(t)
		start := time.Now()
		_, err := a.Dial("tcp", "none:80")
		wantErr(t, "nobody there", err, syscall.EHOSTUNREACH) // IPv6's, which comes first
		if took := time.Since(start); took != 75*time.Second+250*time.Millisecond {
			t.Errorf("IPv4 gave up after %v", took)
		}
		l.Close()
		start = time.Now()
		_, err = a.Dial("tcp", "good:80")
		wantErr(t, "nobody listens", err, syscall.ECONNREFUSED)
		if time.Since(start) != 0 {
			t.Error("a refusal had to wait for its turn")
		}
		for _, delay := range []time.Duration{0, -1} {
			d := vimage.Dialer{Stack: a, Timeout: time.Second, FallbackDelay: delay}
			start = time.Now()
			_, err = d.Dial("tcp", "none:80")
			wantErr(t, "timeout", err, os.ErrDeadlineExceeded)
			if took := time.Since(start); took != time.Second {
				t.Errorf("timed out after %v", took)
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), 700*time.Millisecond)
		defer cancel()
		start = time.Now()
		_, err = a.DialContext(ctx, "tcp", "none:80")
		if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took != 700*time.Millisecond {
			t.Errorf("%v after %v", err, took)
		}
		_, err = a.Dial("tcp6", "only4:80")
		var de *net.DNSError
		if !errors.As(err, &de) || !de.IsNotFound {
			t.Errorf("no address of the family: %v", err)
		}
		d := vimage.Dialer{Stack: a, LocalAddr: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1)}}
		l = must(b.Listen("tcp", ":80"))(t)
		defer l.Close()
		c := must(d.Dial("tcp", "no6:80"))(t)
		c.Close()
	})
}

// TestSerialTurns: with FallbackDelay below zero every address has its part of the
// time, as in package net.
func TestSerialTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, _ := named(t)
		d := vimage.Dialer{Stack: a, Timeout: 5 * time.Second, FallbackDelay: -1}
		start := time.Now()
		c := must(d.Dial("tcp", "no6:80"))(t)
		if took := time.Since(start); took != 2500*time.Millisecond {
			t.Errorf("the second's turn came after %v", took)
		}
		c.Close()
	})
}

// TestNamesOfDatagrams: of a name's addresses a datagram socket takes the best.
func TestNamesOfDatagrams(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, _, _ := named(t)
		for _, c := range [][3]string{{"udp", "good:7", "[2001:db8::2]:7"}, {"udp4", "good:7", "10.0.0.2:7"}, {"ip4:253", "good", "10.0.0.2"}, {"ip6:253", "good", "2001:db8::2"}} {
			conn := must(a.Dial(c[0], c[1]))(t)
			if got := conn.RemoteAddr().String(); got != c[2] {
				t.Errorf("%v: %s", c, got)
			}
			conn.Close()
		}
	})
}
