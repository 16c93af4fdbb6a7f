package vimage_test

import (
	"errors"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/link"
)

// Tables have names, which text may use for their numbers.
func TestFIBNames(t *testing.T) {
	w := world(t, vimage.Config{Simulated: true})
	s := must(w.NewStack("h", vimage.StackConfig{FIBs: 3}))(t)
	other := must(w.NewStack("o", vimage.StackConfig{}))(t)
	for n, name := range []string{"", "blue", "red"} {
		if err := s.NameFIB(n, name); err != nil {
			t.Fatal(err)
		}
	}
	for text, want := range map[string]int{"0": 0, "blue": 1, "1": 1, "red": 2, "2": 2} {
		if h, err := s.FIBByName(text); err != nil || h.FIBNumber() != want {
			t.Errorf("%q: %v, want %d", text, err, want)
		}
	}
	if n, err := must(s.FIBByName("red"))(t).Sysctl("net.my_fibnum"); n != 2 || err != nil {
		t.Errorf("net.my_fibnum is %d, %v", n, err)
	}
	refused(t, "a name taken", s.NameFIB(2, "blue"), syscall.EEXIST)
	refused(t, "no table", s.NameFIB(3, "green"), syscall.EINVAL)
	for _, bad := range []string{"1st", "-", "a b", "a:b", "a/b"} {
		refused(t, bad, s.NameFIB(0, bad), syscall.EINVAL)
	}
	for text, want := range map[string]syscall.Errno{"3": syscall.EINVAL, "-1": syscall.EINVAL, "green": syscall.ENOENT, "": syscall.ENOENT} {
		_, err := s.ParseFIB(text)
		refused(t, text, err, want)
	}
	_, err := other.ParseFIB("blue")
	refused(t, "another stack's", err, syscall.ENOENT)
	if err := s.NameFIB(1, "azure"); err != nil || s.FIBName(1) != "azure" {
		t.Errorf("renamed: %q, %v", s.FIBName(1), err)
	}
	_, err = s.ParseFIB("blue")
	refused(t, "the old name", err, syscall.ENOENT)
	if err := s.NameFIB(1, ""); err != nil || s.FIBName(1) != "" {
		t.Errorf("no name: %q, %v", s.FIBName(1), err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	refused(t, "a stack that was removed", s.NameFIB(1, "blue"), syscall.ENXIO)
	if name := s.FIBName(2); name != "" {
		t.Errorf("it has still the name %q", name)
	}
}

// Routes as the front door shows and takes them.
func TestRoutes(t *testing.T) {
	w := world(t, vimage.Config{Simulated: true})
	s := must(w.NewStack("h", vimage.StackConfig{FIBs: 2}))(t)
	must(s.AddInterface("e0", vimage.InterfaceConfig{Port: link.NewEpair(0).A(), Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}}))(t)
	one := must(s.FIB(1))(t)
	dst := netip.MustParsePrefix("192.0.2.0/24")
	r := vimage.Route{Dst: dst, Gateway: netip.MustParseAddr("10.0.0.9"), MTU: 1400, Metric: 5, Expire: time.Minute}
	if err := one.AddRoute(r); err != nil {
		t.Fatal(err)
	}
	second := r
	second.Gateway, second.Expire = netip.MustParseAddr("10.0.0.8"), 0
	if err := one.AddRoute(second); err != nil {
		t.Fatal(err)
	}
	w.Run(10 * time.Second)
	r.Interface, r.Flags, r.Expire = "e0", "UGS", 50*time.Second
	second.Interface, second.Flags = "e0", "UGS"
	subnet := vimage.Route{Dst: netip.MustParsePrefix("10.0.0.0/24"), Interface: "e0", Flags: "U", Own: true}
	all := one.Routes()
	if len(all) != 3 || all[0] != subnet || all[1] != r || all[2] != second {
		t.Errorf("routes %+v", all)
	}
	if got, err := one.GetRoute(netip.MustParseAddr("192.0.2.9")); got != r || err != nil {
		t.Errorf("the way is %+v, %v", got, err)
	}
	if got, err := one.GetRoute(netip.MustParseAddr("10.0.0.1")); got.Interface != "lo0" || err != nil {
		t.Errorf("the way to ourselves is %+v, %v", got, err)
	}
	if got, err := one.GetRoute(netip.MustParseAddr("fe80::1%e0")); got.Interface != "e0" || err != nil {
		t.Errorf("the way to a neighbour is %+v, %v", got, err)
	}
	_, err := s.GetRoute(netip.MustParseAddr("192.0.2.9"))
	refused(t, "in another table", err, syscall.ESRCH)
	refused(t, "the same again", one.AddRoute(second), syscall.EEXIST)
	refused(t, "an interface's", one.ChangeRoute(vimage.Route{Dst: subnet.Dst, Gateway: r.Gateway}), syscall.EEXIST)
	refused(t, "it has expired", one.AddRoute(vimage.Route{Dst: dst, Gateway: r.Gateway, Expire: -1}), syscall.EINVAL)
	w.Run(time.Minute)
	if all := one.Routes(); len(all) != 2 || all[1] != second {
		t.Errorf("a minute later: %+v", all)
	}
	if err := one.DelRouteVia(second); err != nil {
		t.Error(err)
	}
	if err := one.DelRoute(subnet.Dst); err != nil {
		t.Error(err)
	}
	if a, b := len(s.Routes()), len(one.Routes()); a != 1 || b != 0 {
		t.Errorf("%d and %d routes, want 1 and 0", a, b)
	}
	e0 := must(s.Interface("e0"))(t)
	if err := e0.SetFIB(1); err != nil || e0.FIB() != 1 {
		t.Errorf("e0 is of table %d, %v", e0.FIB(), err)
	}
	refused(t, "no such table", e0.SetFIB(2), syscall.EINVAL)
}

// refused checks the cause of a *ConfigError.
func refused(t *testing.T, what string, err error, want syscall.Errno) {
	t.Helper()
	if c := (*vimage.ConfigError)(nil); !errors.As(err, &c) || !errors.Is(err, want) {
		t.Errorf("%s: %v, want a *ConfigError around %v", what, err, want)
	}
}
