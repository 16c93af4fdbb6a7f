package vimage_test

import (
	"context"
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
	"github.com/seed88948545/vimage/internal/sockbuf"
	"github.com/seed88948545/vimage/link"
)

// told is an event in one line, without what is random.
func told(e vimage.Event) string {
	s := []string{e.Interface, e.Kind.String()}
	if e.Prefix.IsValid() {
		s = append(s, e.Prefix.String())
	}
	if e.OldName != "" {
		s = append(s, "was "+e.OldName)
	}
	return strings.Join(s, " ")
}

// read returns what waits, without link-local addresses.
func read(t testing.TB, u *vimage.EventSubscription) (all []string) {
	t.Helper()
	for {
		e, err := u.Next(context.Background())
		switch {
		case errors.As(err, &sockbuf.Simulated{}), errors.Is(err, net.ErrClosed):
			return all
		case err != nil:
			t.Fatal(err)
		}
		if e.Missed != 0 {
			t.Errorf("%d events missed", e.Missed)
		}
		if a := e.Prefix.Addr(); !a.IsLinkLocalUnicast() {
			all = append(all, told(e))
		}
	}
}

func wantEvents(t testing.TB, when string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n\t%s\nwant\n\t%s", when, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// noRoutes are the kinds of events without those of routes.
func noRoutes() (all []vimage.EventKind) {
	for k := vimage.EventArrival; k <= vimage.EventNeighborDeleted; k++ {
		if k < vimage.EventRouteAdd || k > vimage.EventRouteChange {
			all = append(all, k)
		}
	}
	return all
}

// TestEvents is behaviour 3.4: what happens to interfaces, addresses and neighbours
// is told, in order, and the departure before what ends with it.
func TestEvents(t *testing.T) {
	w := world(t, vimage.Config{Simulated: true})
	a := must(w.NewStack("a", vimage.StackConfig{}))(t)
	u := must(a.Subscribe(vimage.EventFilter{Kinds: noRoutes()}))(t)
	var called []string
	must(a.SubscribeFunc(vimage.EventFilter{Kinds: noRoutes()}, func(e vimage.Event) { called = append(called, told(e)) }))(t)

	wire := link.NewEpair(0)
	b := host(t, w, "b", wire.B(), "10.0.0.2/24")
	i := must(a.AddInterface("e0", vimage.InterfaceConfig{Port: wire.A(), Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.1.1/24")}}))(t)
	add(t, i, "10.0.0.1/24")
	wantEvents(t, "made", read(t, u), "e0 arrival", "e0 address add 10.0.1.1/24", "e0 address add 10.0.0.1/24")

	add(t, i, "2001:db8::1/64")
	w.Run(3 * time.Second)
	wantEvents(t, "IPv6", read(t, u), "e0 address add 2001:db8::1/64", "e0 address change 2001:db8::1/64")
	if e := must(b.Interface("e0"))(t); e.SetNeighbor(netip.MustParseAddr("10.0.0.77"), e.Net().HardwareAddr, true) != nil {
		t.Fatal("no proxy")
	}
	c := must(a.ListenUDP("udp4", nil))(t)
	for _, to := range []string{"10.0.0.2:9", "10.0.0.3:9", "10.0.0.77:9"} {
		c.WriteToUDPAddrPort(nil, netip.MustParseAddrPort(to))
	}
	w.Run(time.Minute)
	if err := i.DelNeighbor(netip.MustParseAddr("10.0.0.77")); err != nil {
		t.Error(err)
	}
	wantEvents(t, "neighbours", read(t, u), "e0 neighbour resolved 10.0.0.2/32", "e0 neighbour resolved 10.0.0.77/32",
		"e0 neighbour timed out 10.0.0.3/32", "e0 neighbour deleted 10.0.0.77/32")
	w.Run(time.Hour)
	wantEvents(t, "an hour later", read(t, u), "e0 neighbour expired 10.0.0.2/32")

	i.SetUp(false)
	i.SetUp(true)
	i.DelAddr(netip.MustParseAddr("10.0.1.1"))
	w.Run(time.Second)
	wantEvents(t, "down, up", read(t, u), "e0 down", "e0 up", "e0 address delete 10.0.1.1/24")

	// Whoever is told of the departure by a handler finds everything there.
	var seen []netip.Prefix
	stop := a.HandleDeparture(func(e vimage.Event) { seen = must(a.Interface(e.Interface))(t).Addrs() })
	if err := i.Remove(); err != nil || len(seen) != 3 {
		t.Errorf("%v; the handler saw %v", err, seen)
	}
	stop()
	wantEvents(t, "removed", read(t, u), "e0 departure", "e0 address delete 2001:db8::1/64", "e0 address delete 10.0.0.1/24")
	w.Run(time.Second)
	if len(called) != 16+3 { // three are of the link-local address
		t.Errorf("called %d times: %q", len(called), called)
	}
	a.Close()
	if _, err := u.Next(context.Background()); !errors.Is(err, net.ErrClosed) {
		t.Error("the stack is gone:", err)
	}
}

// TestSubscribe: a goroutine waits for events of one interface and kind, and is
// told when the stack goes; errors.
func TestSubscribe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, vimage.Config{})
		a, _ := pair(t, w)
		for want, f := range map[syscall.Errno]vimage.EventFilter{
			syscall.ENXIO: {Interface: "e9"}, syscall.EINVAL: {Kinds: []vimage.EventKind{99}},
		} {
			if _, err := a.Subscribe(f); !errors.Is(err, want) {
				t.Errorf("%+v: %v, want %v", f, err, want)
			}
		}
		u := must(a.Subscribe(vimage.EventFilter{Interface: "e0", Kinds: []vimage.EventKind{vimage.EventUp, vimage.EventDown}}))(t)
		got := make(chan string)
		go func() {
			for {
				e, err := u.Next(context.Background())
				if err != nil {
					got <- fmt.Sprint(err)
					return
				}
				got <- told(e)
			}
		}()
		must(a.Interface("lo0"))(t).SetUp(false)
		i := must(a.Interface("e0"))(t)
		add(t, i, "10.0.9.1/24")
		for _, up := range []bool{false, true} {
			i.SetUp(up)
			if want := map[bool]string{false: "e0 down", true: "e0 up"}[up]; <-got != want {
				t.Error("not", want)
			}
		}
		a.Close()
		if s := <-got; s != net.ErrClosed.Error() {
			t.Error(s)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if u, err := w.Root().Stack().Subscribe(vimage.EventFilter{}); err != nil {
			t.Error(err)
		} else if _, err := u.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}
