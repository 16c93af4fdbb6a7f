package ipv6_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	xipv6 "golang.org/x/net/ipv6"

	"github.com/seed88948545/vimage/ipv6"
)

// TestMethodsOfXNet compares the methods of each type with those of x/net's:
// the same names, parameters and results.
func TestMethodsOfXNet(t *testing.T) {
	// Methods that x/net exports by accident of embedding.
	const missing = " Lock RLock RLocker RUnlock TryLock TryRLock Unlock RecvMsg RecvMsgs SendMsg SendMsgs "
	for _, pair := range [][2]reflect.Type{
		{reflect.TypeFor[*xipv6.Conn](), reflect.TypeFor[*ipv6.Conn]()},
		{reflect.TypeFor[*xipv6.PacketConn](), reflect.TypeFor[*ipv6.PacketConn]()},
	} {
		theirs, ours := pair[0], pair[1]
		for i := range theirs.NumMethod() {
			m := theirs.Method(i)
			if strings.Contains(missing, " "+m.Name+" ") {
				continue
			}
			o, ok := ours.MethodByName(m.Name)
			if !ok {
				t.Errorf("%v has no %s", ours, m.Name)
				continue
			}
			if got, want := signature(o.Type), signature(m.Type); got != want {
				t.Errorf("%v.%s is %s, want %s", ours, m.Name, got, want)
			}
		}
	}
}

// signature writes a method's type without its receiver.
func signature(f reflect.Type) string {
	var s strings.Builder
	for i := 1; i < f.NumIn(); i++ {
		s.WriteString(f.In(i).String() + ",")
	}
	for i := range f.NumOut() {
		s.WriteString(" " + f.Out(i).String())
	}
	return s.String()
}

// TestZeroValues: as x/net's, they refuse and do not panic.
func TestZeroValues(t *testing.T) {
	group := ip("ff15::1")
	for name, call := range map[string]func() error{
		"Conn.SetTrafficClass":   func() error { return new(ipv6.Conn).SetTrafficClass(0) },
		"Conn.PathMTU":           func() error { _, err := new(ipv6.Conn).PathMTU(); return err },
		"PacketConn.JoinGroup":   func() error { return new(ipv6.PacketConn).JoinGroup(nil, group) },
		"PacketConn.Close":       func() error { return new(ipv6.PacketConn).Close() },
		"PacketConn.SetDeadline": func() error { return new(ipv6.PacketConn).SetDeadline(time.Time{}) },
		"PacketConn.ReadFrom":    func() error { _, _, _, err := new(ipv6.PacketConn).ReadFrom(nil); return err },
		"PacketConn.WriteBatch":  func() error { _, err := new(ipv6.PacketConn).WriteBatch(nil, 0); return err },
		"PacketConn.HopLimit":    func() error { _, err := new(ipv6.PacketConn).HopLimit(); return err },
		"PacketConn.Checksum":    func() error { _, _, err := new(ipv6.PacketConn).Checksum(); return err },
		"PacketConn.ICMPFilter":  func() error { _, err := new(ipv6.PacketConn).ICMPFilter(); return err },
		"PacketConn.SetBPF":      func() error { return new(ipv6.PacketConn).SetBPF(nil) },
		"PacketConn.SetSourceFilter": func() error {
			return new(ipv6.PacketConn).SetSourceFilter(nil, group, ipv6.Include, nil)
		},
	} {
		if err := call(); err == nil || err.Error() != "invalid connection" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
