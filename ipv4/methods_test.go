package ipv4_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	xipv4 "golang.org/x/net/ipv4"

	"github.com/seed88948545/vimage/ipv4"
)

// TestMethodsOfXNet compares the methods of each type with those of x/net's:
// the same names, parameters and results.
func TestMethodsOfXNet(t *testing.T) {
	// Methods that x/net exports by accident of embedding, and those of
	// *net.IPConn that need a file descriptor or read without a header.
	const missing = " Lock RLock RLocker RUnlock TryLock TryRLock Unlock RecvMsg RecvMsgs SendMsg SendMsgs" +
		" File ReadFromIP ReadMsgIP SyscallConn WriteMsgIP WriteToIP "
	for _, pair := range [][2]reflect.Type{
		{reflect.TypeFor[*xipv4.Conn](), reflect.TypeFor[*ipv4.Conn]()},
		{reflect.TypeFor[*xipv4.PacketConn](), reflect.TypeFor[*ipv4.PacketConn]()},
		{reflect.TypeFor[*xipv4.RawConn](), reflect.TypeFor[*ipv4.RawConn]()},
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
	for name, call := range map[string]func() error{
		"Conn.SetTOS":            func() error { return new(ipv4.Conn).SetTOS(0) },
		"PacketConn.JoinGroup":   func() error { return new(ipv4.PacketConn).JoinGroup(nil, ip("239.1.1.1")) },
		"PacketConn.Close":       func() error { return new(ipv4.PacketConn).Close() },
		"PacketConn.SetDeadline": func() error { return new(ipv4.PacketConn).SetDeadline(time.Time{}) },
		"PacketConn.ReadFrom":    func() error { _, _, _, err := new(ipv4.PacketConn).ReadFrom(nil); return err },
		"PacketConn.WriteBatch":  func() error { _, err := new(ipv4.PacketConn).WriteBatch(nil, 0); return err },
		"RawConn.Close":          func() error { return new(ipv4.RawConn).Close() },
		"RawConn.WriteTo":        func() error { return new(ipv4.RawConn).WriteTo(nil, nil, nil) },
		"RawConn.SetBPF":         func() error { return new(ipv4.RawConn).SetBPF(nil) },
	} {
		if err := call(); err == nil || err.Error() != "invalid connection" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
