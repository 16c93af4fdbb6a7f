package vimage_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/control/stacktest"
	"github.com/seed88948545/vimage/link"
)

// sharing is vnet0 with the addresses .1 to .4 of two subnets and a neighbour at .9,
// and jails that share it.
type sharing struct {
	w            *vimage.World
	host, peer   *vimage.Stack
	one, two     *vimage.Stack // with .2, and with .3 and .4
	four, six    *vimage.Stack // with one family alone
	none, nobody *vimage.Stack // with all addresses, and with none
}

func addrs(list ...string) vimage.JailAddrs {
	a := vimage.JailAddrs{Mode: vimage.JailNew}
	for _, s := range list {
		a.Addrs = append(a.Addrs, netip.MustParseAddr(s))
	}
	return a
}

func newSharing(t *testing.T) *sharing {
	t.Helper()
	stacktest.Several(t)
	s := &sharing{w: vimage.NewWorld(vimage.Config{})}
	t.Cleanup(s.w.Close)
	cable := link.NewEpair(0)
	s.host = s.w.Root().Stack()
	s.peer = must(s.w.NewStack("peer", vimage.StackConfig{}))(t)
	var at []netip.Prefix
	for n := 1; n <= 4; n++ {
		at = append(at, netip.MustParsePrefix(fmt.Sprintf("10.0.0.%d/24", n)), netip.MustParsePrefix(fmt.Sprintf("2001:db8::%d/64", n)))
	}
	must(s.host.AddInterface("eth0", vimage.InterfaceConfig{Port: cable.A(), Addrs: at}))(t)
	must(s.peer.AddInterface("eth0", vimage.InterfaceConfig{Port: cable.B(), Addrs: []netip.Prefix{
		netip.MustParsePrefix("10.0.0.9/24"), netip.MustParsePrefix("2001:db8::9/64"),
	}}))(t)
	lo := must(s.host.Interface("lo0"))(t)
	for _, a := range []string{"127.0.0.1/8", "::1/128"} {
		if err := lo.AddAddr(netip.MustParsePrefix(a)); err != nil {
			t.Fatal(err)
		}
	}
	jail := func(c vimage.JailConfig) *vimage.Stack {
		c.Persist, c.Allow.RawSockets = true, true
		return must(s.w.Root().Create(c))(t).Stack()
	}
	s.one = jail(vimage.JailConfig{Name: "one", IP4: addrs("10.0.0.2"), IP6: addrs("2001:db8::2")})
	s.two = jail(vimage.JailConfig{Name: "two", IP4: addrs("10.0.0.3", "10.0.0.4"), IP6: addrs("2001:db8::3", "2001:db8::4")})
	s.four = jail(vimage.JailConfig{Name: "four", IP4: addrs("10.0.0.3", "10.0.0.4"), IP6: vimage.JailAddrs{Mode: vimage.JailDisable}})
	s.six = jail(vimage.JailConfig{Name: "six", IP4: vimage.JailAddrs{Mode: vimage.JailDisable}, IP6: addrs("2001:db8::4")})
	s.none = jail(vimage.JailConfig{Name: "none"})
	s.nobody = jail(vimage.JailConfig{Name: "nobody", IP4: addrs(), IP6: addrs()})
	return s
}

// behaviour 1.2, non-vnet jail addressing: what a socket gets that asks to be bound.
func TestSharedJailBind(t *testing.T) {
	s := newSharing(t)
	for _, c := range []struct {
		in            *vimage.Stack
		network, host string
		want          string // the local address, or an errno
	}{
		{s.one, "udp4", "10.0.0.2", "10.0.0.2"},
		{s.one, "udp4", "10.0.0.1", "EADDRNOTAVAIL"},
		{s.one, "udp4", "10.0.0.255", "EADDRNOTAVAIL"},
		{s.one, "udp4", "192.0.2.1", "EADDRNOTAVAIL"},
		{s.one, "udp4", "0.0.0.0", "10.0.0.2"},
		{s.one, "udp4", "127.0.0.1", "10.0.0.2"},
		{s.one, "udp6", "::", "2001:db8::2"},
		{s.one, "udp6", "::1", "2001:db8::2"},
		{s.one, "udp6", "2001:db8::1", "EADDRNOTAVAIL"},
		{s.one, "udp", "", "::"}, // an address of each family
		{s.two, "udp4", "0.0.0.0", "0.0.0.0"},
		{s.two, "udp4", "127.0.0.1", "10.0.0.3"},
		{s.two, "udp6", "::1", "2001:db8::3"},
		{s.four, "udp", "", "0.0.0.0"},
		{s.four, "udp6", "::", "EAFNOSUPPORT"},
		{s.four, "udp6", "2001:db8::3", "EAFNOSUPPORT"},
		{s.six, "udp", "", "2001:db8::4"},
		{s.six, "udp4", "0.0.0.0", "EAFNOSUPPORT"},
		{s.six, "udp4", "127.0.0.1", "EAFNOSUPPORT"},
		{s.none, "udp4", "10.0.0.1", "10.0.0.1"},
		{s.none, "udp4", "127.0.0.1", "127.0.0.1"},
		{s.none, "udp", "", "::"},
		{s.nobody, "udp", "", "EAFNOSUPPORT"},
		{s.nobody, "udp4", "10.0.0.1", "EAFNOSUPPORT"},
	} {
		check := func(network string, a net.Addr, err error) {
			t.Helper()
			got := fmt.Sprint(err)
			var e syscall.Errno
			if err == nil {
				got, _, _ = net.SplitHostPort(a.String())
			} else if errors.As(err, &e) {
				got = map[syscall.Errno]string{syscall.EADDRNOTAVAIL: "EADDRNOTAVAIL", syscall.EAFNOSUPPORT: "EAFNOSUPPORT"}[e]
			}
			if got != c.want {
				t.Errorf("%s: %s %q: %s (%v), want %s", c.in.Name(), network, c.host, got, err, c.want)
			}
		}
		p, err := c.in.ListenPacket(c.network, net.JoinHostPort(c.host, "0"))
		if err == nil {
			check(c.network, p.LocalAddr(), nil)
			p.Close()
		} else {
			check(c.network, nil, err)
		}
		tcp := strings.Replace(c.network, "udp", "tcp", 1)
		l, err := c.in.Listen(tcp, net.JoinHostPort(c.host, "0"))
		if err == nil {
			check(tcp, l.Addr(), nil)
			l.Close()
		} else {
			check(tcp, nil, err)
		}
	}
}

// Sockets of jails and of their host that ask for any address share a port: packets
// find the one that has the address.
func TestSharedJailDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSharing(t)
		kinds := map[string]*vimage.Stack{"host": s.host, "one": s.one, "two": s.two}
		for _, order := range [][]string{{"host", "one", "two"}, {"two", "one", "host"}} {
			var close []func() error
			for _, name := range order {
				p := must(kinds[name].ListenPacket("udp", ":7"))(t)
				go answer(p, name)
				l := must(kinds[name].Listen("tcp", ":7"))(t)
				go answerAll(l, name)
				close = append(close, p.Close, l.Close)
			}
			for n, want := range []string{"host", "one", "two", "two"} {
				for _, host := range []string{fmt.Sprintf("10.0.0.%d", n+1), fmt.Sprintf("2001:db8::%d", n+1)} {
					for _, network := range []string{"udp", "tcp"} {
						for _, from := range []*vimage.Stack{s.peer, s.host} {
							if got := ask(t, from, network, net.JoinHostPort(host, "7")); got != want {
								t.Errorf("%s at %s answers %s from %s, want %s (bound in the order %v)", got, host, network, from.Name(), want, order)
							}
						}
					}
				}
			}
			for _, f := range close {
				f()
			}
		}
		if _, err := s.four.Listen("tcp4", "10.0.0.3:8"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.two.Listen("tcp", ":8"); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("two jails, one address, one port: %v", err)
		}
	})
}

// answer sends its name back to whoever sends.
func answer(p net.PacketConn, name string) {
	b := make([]byte, 100)
	for {
		_, from, err := p.ReadFrom(b)
		if err != nil {
			return
		}
		p.WriteTo([]byte(name), from)
	}
}

func answerAll(l net.Listener, name string) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		c.Write([]byte(name))
		c.Close()
	}
}

// ask returns what is answered at an address, from whatever address.
func ask(t *testing.T, from *vimage.Stack, network, at string) string {
	t.Helper()
	b := make([]byte, 100)
	n := 0
	if network == "udp" {
		p := must(from.ListenPacket("udp", ":0"))(t)
		defer p.Close()
		p.SetDeadline(time.Now().Add(5 * time.Second))
		_, err := p.WriteTo([]byte("?"), net.UDPAddrFromAddrPort(netip.MustParseAddrPort(at)))
		if err == nil {
			n, _, err = p.ReadFrom(b)
		}
		if err != nil {
			return err.Error()
		}
		return string(b[:n])
	}
	c, err := from.Dial(network, at)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	if n, err = c.Read(b); err != nil {
		return err.Error()
	}
	return string(b[:n])
}

// behaviour 1.2: where what a jail sends comes from, and where what is for the
// loopback address goes.
func TestSharedJailSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSharing(t)
		for _, a := range []string{"10.0.0.9:5", "[2001:db8::9]:5", "10.0.0.1:5", "[2001:db8::1]:5", "10.0.0.2:5", "10.0.0.3:5", "[2001:db8::3]:5"} {
			on := s.host
			if strings.Contains(a, "9") {
				on = s.peer
			}
			who(t, on, a)
		}
		for _, c := range []struct {
			in       *vimage.Stack
			to, want string // who has sent
		}{
			{s.one, "10.0.0.9:5", "10.0.0.2"},
			{s.one, "[2001:db8::9]:5", "2001:db8::2"},
			{s.one, "10.0.0.1:5", "10.0.0.2"}, // the host itself
			{s.one, "127.0.0.1:5", "10.0.0.2"},
			{s.two, "10.0.0.9:5", "10.0.0.3"},
			{s.two, "[2001:db8::9]:5", "2001:db8::3"},
			{s.two, "10.0.0.1:5", "10.0.0.3"},
			{s.two, "[2001:db8::1]:5", "2001:db8::3"},
			{s.two, "127.0.0.1:5", "10.0.0.3"},
			{s.two, "[::1]:5", "2001:db8::3"},
			{s.host, "10.0.0.9:5", "10.0.0.1"},
			{s.none, "10.0.0.9:5", "10.0.0.1"},
			{s.four, "[2001:db8::9]:5", "EAFNOSUPPORT"},
			{s.six, "10.0.0.9:5", "EAFNOSUPPORT"},
			{s.six, "127.0.0.1:5", "EAFNOSUPPORT"},
			{s.nobody, "10.0.0.9:5", "EAFNOSUPPORT"},
		} {
			for _, network := range []string{"udp", "tcp", "unconnected"} {
				got := whoAmI(t, c.in, network, c.to)
				if got != c.want {
					t.Errorf("jail of %s, %s to %s: %s, want %s", c.in.Name(), network, c.to, got, c.want)
				}
			}
		}
	})
}

// who answers with the address of who asks.
func who(t *testing.T, s *vimage.Stack, at string) {
	t.Helper()
	p := must(s.ListenPacket("udp", at))(t)
	l := must(s.Listen("tcp", at))(t)
	t.Cleanup(func() { p.Close(); l.Close() })
	go func() {
		b := make([]byte, 100)
		for {
			_, from, err := p.ReadFrom(b)
			if err != nil {
				return
			}
			p.WriteTo([]byte(from.(*net.UDPAddr).IP.String()), from)
		}
	}()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Write([]byte(c.RemoteAddr().(*net.TCPAddr).IP.String()))
			c.Close()
		}
	}()
}

func whoAmI(t *testing.T, s *vimage.Stack, network, to string) string {
	t.Helper()
	short := func(err error) string {
		if errors.Is(err, syscall.EAFNOSUPPORT) {
			return "EAFNOSUPPORT"
		}
		return err.Error()
	}
	b := make([]byte, 100)
	if network != "unconnected" {
		c, err := s.Dial(network, to)
		if err != nil {
			return short(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(5 * time.Second))
		if network == "udp" {
			c.Write([]byte("?"))
		}
		n, err := c.Read(b)
		if err != nil {
			return short(err)
		}
		return string(b[:n])
	}
	p, err := s.ListenPacket("udp", ":0")
	if err != nil {
		return short(err)
	}
	defer p.Close()
	p.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := p.WriteTo([]byte("?"), net.UDPAddrFromAddrPort(netip.MustParseAddrPort(to))); err != nil {
		return short(err)
	}
	n, _, err := p.ReadFrom(b)
	if err != nil {
		return short(err)
	}
	return string(b[:n])
}

// A raw socket in a jail hears what is for the jail's addresses, and multicast.
func TestSharedJailRaw(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSharing(t)
		in := map[string]*vimage.Stack{"one": s.one, "two": s.two, "host": s.host}
		heard := map[string][]string{}
		got := make(chan [2]string, 100)
		for name, st := range in {
			c := must(st.ListenPacket("ip4:99", "0.0.0.0"))(t).(*vimage.IPConn)
			defer c.Close()
			go func() {
				b := make([]byte, 100)
				for {
					n, err := c.ReadPacket(b)
					if err != nil {
						return
					}
					got <- [2]string{name, netip.AddrFrom4([4]byte(b[16:20])).String() + string(b[20:n])}
				}
			}()
		}
		out := must(s.peer.ListenPacket("ip4:99", "0.0.0.0"))(t)
		defer out.Close()
		for _, a := range []string{"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "224.0.0.1"} {
			if _, err := out.WriteTo([]byte("!"), &net.IPAddr{IP: net.ParseIP(a)}); err != nil && a != "224.0.0.1" {
				t.Fatal(err)
			}
		}
		if o := must(s.peer.Interface("eth0"))(t); o != nil {
			c := out.(*vimage.IPConn)
			if err := c.SetMulticastInterface(o); err != nil {
				t.Fatal(err)
			}
			out.WriteTo([]byte("!"), &net.IPAddr{IP: net.ParseIP("224.0.0.1")})
		}
		synctest.Wait()
		close(got)
		for g := range got {
			heard[g[0]] = append(heard[g[0]], g[1])
		}
		for name, want := range map[string]string{
			"one": "10.0.0.2! 224.0.0.1!", "two": "10.0.0.3! 10.0.0.4! 224.0.0.1!",
			"host": "10.0.0.1! 10.0.0.2! 10.0.0.3! 10.0.0.4! 224.0.0.1!",
		} {
			slices.Sort(heard[name])
			if s := strings.Join(slices.Compact(heard[name]), " "); s != want {
				t.Errorf("%s heard %q, want %q", name, s, want)
			}
		}
		// Nor may it send from elsewhere.
		c := must(s.one.ListenPacket("ip4:99", "0.0.0.0"))(t).(*vimage.IPConn)
		defer c.Close()
		c.SetHeaderIncluded(true)
		for src, want := range map[byte]error{1: syscall.EADDRNOTAVAIL, 2: nil, 0: nil} {
			p := []byte{0x45, 0, 0, 21, 0, 0, 0, 0, 9, 99, 0, 0, 10, 0, 0, src, 10, 0, 0, 9, '?'}
			if src == 0 {
				copy(p[12:], make([]byte, 4))
			}
			if _, err := c.WriteTo(p, &net.IPAddr{IP: net.ParseIP("10.0.0.9")}); !errors.Is(err, want) {
				t.Errorf("from 10.0.0.%d: %v, want %v", src, err, want)
			}
		}
		if _, err := s.one.ListenPacket("ip4:99", "10.0.0.1"); !errors.Is(err, syscall.EADDRNOTAVAIL) {
			t.Errorf("raw socket bound to another address: %v", err)
		}
	})
}

// A jail sees those addresses of interfaces that it has.
func TestSharedJailSees(t *testing.T) {
	s := newSharing(t)
	i := must(s.two.Interface("eth0"))(t)
	if got := fmt.Sprint(i.Addrs()); got != "[10.0.0.3/24 10.0.0.4/24 2001:db8::3/64 2001:db8::4/64]" {
		t.Error(got)
	}
	if names(t, s.two) != names(t, s.host) {
		t.Error("it sees other interfaces than its host")
	}
}

// A jail that goes takes its sockets along, and no others.
func TestSharedJailRemoval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSharing(t)
		l := must(s.peer.Listen("tcp", ":80"))(t)
		defer l.Close()
		var got []net.Conn
		for _, st := range []*vimage.Stack{s.one, s.host} {
			got = append(got, must(st.Dial("tcp", "10.0.0.9:80"))(t))
			must(l.Accept())(t)
		}
		got = append(got, must(s.one.Dial("udp", "10.0.0.9:5"))(t), must(s.host.Dial("udp", "10.0.0.9:5"))(t))
		a := must(s.one.Listen("tcp", ":80"))(t)
		b := must(s.host.Listen("tcp", ":80"))(t)
		if err := s.w.Root().Find("one").Remove(); err != nil {
			t.Fatal(err)
		}
		for n, c := range got {
			if _, err := c.Write([]byte("x")); (err != nil) != (n%2 == 0) {
				t.Errorf("socket %d: %v", n, err)
			}
			c.Close()
		}
		if err := a.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("listener of the jail: %v", err)
		}
		if err := b.Close(); err != nil {
			t.Errorf("listener of its host: %v", err)
		}
		if _, err := s.one.Listen("tcp", ":80"); !errors.Is(err, syscall.ENETDOWN) {
			t.Errorf("handle on a jail that is gone: %v", err)
		}
		if _, err := s.one.Dial("tcp", "10.0.0.9:80"); !errors.Is(err, syscall.ENETDOWN) {
			t.Errorf("handle on a jail that is gone: %v", err)
		}
		if _, err := s.one.ListenPacket("udp", ":80"); !errors.Is(err, syscall.ENETDOWN) {
			t.Errorf("handle on a jail that is gone: %v", err)
		}
	})
}

// What is limited above is limited below, and follows changes.
func TestSharedJailNested(t *testing.T) {
	s := newSharing(t)
	outer := must(s.w.Root().Create(vimage.JailConfig{Name: "outer", Persist: true, ChildrenMax: 1, IP4: addrs("10.0.0.2", "10.0.0.3")}))(t)
	inner := must(outer.Create(vimage.JailConfig{Name: "inner", Persist: true, IP4: addrs("10.0.0.3")}))(t)
	local := func() string {
		p, err := inner.Stack().ListenPacket("udp4", ":0")
		if err != nil {
			return "none"
		}
		defer p.Close()
		return p.LocalAddr().(*net.UDPAddr).IP.String()
	}
	for _, c := range [][2]string{{"10.0.0.2,10.0.0.3", "10.0.0.3"}, {"10.0.0.2", "none"}, {"10.0.0.3", "10.0.0.3"}} {
		if err := outer.Set(vimage.JailParam{Name: "ip4.addr", Value: c[0]}); err != nil {
			t.Fatal(err)
		}
		if got := local(); got != c[1] {
			t.Errorf("outer has %s: inner is bound to %s, want %s", c[0], got, c[1])
		}
	}
}
