package bridge

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// family is what a random test needs to know of IPv4 or IPv6.
type family struct {
	verb, group, source, querier string // beginnings of commands and addresses
	data                         func(n int, src, group string) wire.Ether
	wants                        func(b *Bridge, n int32, group, src netip.Addr) bool
}

var families = []family{
	{"", "239.0.0.", "10.9.0.", "10.0.0.254", udp, func(b *Bridge, n int32, group, src netip.Addr) bool {
		m := b.v4.db.Lookup(n, group.As4())
		return b.v4.isRouter(n) || m != nil && m.Forwards(src.As4())
	}},
	{"6 ", "ff1e::", "2001:db8::", "me", udp6, func(b *Bridge, n int32, group, src netip.Addr) bool {
		m := b.v6.db.Lookup(n, group.As16())
		return b.v6.isRouter(n) || m != nil && m.Forwards(src.As16())
	}},
}

// TestListsAgainstDatabase does random things to a switch and compares where
// data would go with what asking every port's state says.
func TestListsAgainstDatabase(t *testing.T) {
	names := []string{"IS_IN", "IS_EX", "TO_IN", "TO_EX", "ALLOW", "BLOCK"}
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 3))
		fam := families[seed>>1&1]
		const ports = 8
		s := newScript(t, ports)
		s.tun.FastLeave = int32(seed & 1)
		randomSources := func() string {
			list := ""
			for range r.IntN(4) {
				list += fmt.Sprintf(" %s%d", fam.source, r.IntN(4))
			}
			return list
		}
		for step := range 2000 {
			n, group := r.IntN(ports), fmt.Sprintf("%s%d", fam.group, r.IntN(3))
			var cmd string
			switch k := r.IntN(100); {
			case k < 70:
				cmd = fmt.Sprintf("%d %s%s %s%s", n, fam.verb, names[r.IntN(6)], group, randomSources())
			case k < 80:
				cmd = fmt.Sprintf("%d %squery %s %s%s", n, fam.verb, fam.querier, group, randomSources())
			case k < 90:
				cmd = fmt.Sprintf("run %dms", r.IntN(100000))
			case k < 93:
				cmd = fmt.Sprintf("router %d on", n)
			case k < 96:
				cmd = fmt.Sprintf("router %d off", n)
			case k < 98:
				cmd = fmt.Sprintf("drop %d", n)
			default:
				cmd = fmt.Sprintf("add %d", n)
			}
			s.do(cmd)
			s.b.v6.asked = clock.Never // as if a querier were always known
			checkLists(t, s.b)
			checkData(t, s, fam, fmt.Sprintf("seed %d step %d %s", seed, step, cmd))
		}
	}
}

func checkData(t *testing.T, s *script, fam family, where string) {
	t.Helper()
	for g := range 3 {
		group := fmt.Sprintf("%s%d", fam.group, g)
		for a := range 5 {
			src := fmt.Sprintf("%s%d", fam.source, a)
			var want []int32
			for _, n := range s.b.all {
				if n != 0 && fam.wants(s.b, n, ip(group), ip(src)) {
					want = append(want, n)
				}
			}
			slices.Sort(want)
			if !s.b.attached(0) {
				continue
			}
			s.b.Input(s.now, s.env(), 0, fam.data(0, src, group), &s.d)
			if got := targets(t, &s.d); !slices.Equal(got, want) {
				t.Fatalf("%s: (%v,%v) to %v, want %v", where, src, group, got, want)
			}
			if s.d.Copies+s.d.Withheld != len(s.b.all)-1 {
				t.Fatalf("%s: %d copies and %d withheld of %d", where, s.d.Copies, s.d.Withheld, len(s.b.all)-1)
			}
		}
	}
}

// many returns a switch whose ports all listen to one source.
func many(t testing.TB, ports int) *script {
	s := newScript(t, ports)
	s.do("0 query 10.0.0.254")
	for n := 1; n < ports; n++ {
		s.b.Input(s.now, s.env(), int32(n), reportOf(n, "ALLOW", "232.1.1.1", "10.0.0.9"), &s.d)
	}
	return s
}

func TestTenThousandPorts(t *testing.T) {
	const ports = 10000
	s := many(t, ports)
	checkLists(t, s.b)
	data := udp(0, "10.0.0.9", "232.1.1.1")
	s.b.Input(s.now, s.env(), 0, data, &s.d)
	if s.d.Copies != ports-1 {
		t.Errorf("%d copies", s.d.Copies)
	}
	refresh := reportOf(77, "IS_IN", "232.1.1.1", "10.0.0.9")
	e := s.env()
	if n := testing.AllocsPerRun(100, func() {
		s.now += 1000
		s.b.Input(s.now, e, 0, data, &s.d)
		s.b.Input(s.now, e, 77, refresh, &s.d)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	s.run(260 * time.Second) // all die
	s.b.Input(s.now, e, 0, data, &s.d)
	if s.d.Copies != 0 || s.d.Withheld != ports-1 || s.b.v4.groups.Len() != 0 || s.b.v4.db.Len() != 0 {
		t.Errorf("after all died: %d copies, %d groups", s.d.Copies, s.b.v4.groups.Len())
	}
}

func BenchmarkReport(b *testing.B) {
	for _, ports := range []int{10, 10000} {
		b.Run(fmt.Sprint(ports), func(b *testing.B) {
			s := many(b, ports)
			e := s.env()
			leave := reportOf(5, "TO_IN", "232.1.1.1", "")
			join := reportOf(5, "ALLOW", "232.1.1.1", "10.0.0.9")
			s.tun.FastLeave = 1
			b.ReportAllocs()
			for b.Loop() {
				s.b.Input(s.now, e, 5, leave, &s.d)
				s.b.Input(s.now, e, 5, join, &s.d)
			}
		})
	}
}

func BenchmarkData(b *testing.B) {
	for _, ports := range []int{10, 10000} {
		b.Run(fmt.Sprint(ports), func(b *testing.B) {
			s := many(b, ports)
			e := s.env()
			data := udp(0, "10.0.0.9", "232.1.1.1")
			b.ReportAllocs()
			for b.Loop() {
				s.b.Input(s.now, e, 0, data, &s.d)
			}
		})
	}
}

// many6 is many for IPv6.
func many6(t testing.TB, ports int) *script {
	s := newScript(t, ports)
	s.do("0 6 query me")
	for n := 1; n < ports; n++ {
		s.b.Input(s.now, s.env(), int32(n), report6(n, linkLocal(n), "ALLOW", "ff3e::1", "2001:db8::9"), &s.d)
	}
	s.run(10 * time.Second)
	return s
}

func TestMLDDoesNotAllocate(t *testing.T) {
	const ports = 1000
	s := many6(t, ports)
	data := udp6(0, "2001:db8::9", "ff3e::1")
	refresh := report6(77, linkLocal(77), "IS_IN", "ff3e::1", "2001:db8::9")
	e := s.env()
	if n := testing.AllocsPerRun(100, func() {
		s.now += 1000
		s.b.Input(s.now, e, 77, refresh, &s.d)
		s.b.Input(s.now, e, 0, data, &s.d)
	}); n != 0 || s.d.Verdict != Members || s.d.Copies != ports-1 {
		t.Errorf("%v allocations, %v, %d copies", n, s.d.Verdict, s.d.Copies)
	}
}

func BenchmarkData6(b *testing.B) {
	s := many6(b, 10000)
	e := s.env()
	data := udp6(0, "2001:db8::9", "ff3e::1")
	b.ReportAllocs()
	for b.Loop() {
		s.b.Input(s.now, e, 0, data, &s.d)
	}
}

func BenchmarkUnicast(b *testing.B) {
	s := newScript(b, 100)
	e := s.env()
	s.do("1 to 2")
	s.do("2 to 1")
	f := make([]byte, 60)
	wire.PutEther(f, hostMAC(2), hostMAC(1), wire.EtherTypeIPv4)
	b.ReportAllocs()
	for b.Loop() {
		s.b.Input(s.now, e, 1, f, &s.d)
	}
}

func FuzzInput(f *testing.F) {
	files, _ := filepath.Glob("../*/testdata/kernel/*.pcap")
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for b = b[24:]; len(b) > 16; {
			n := int(b[8]) | int(b[9])<<8
			f.Add(b[16:16+n], uint8(1))
			b = b[16+n:]
		}
	}
	f.Add([]byte(tagged(udp(1, "10.0.0.9", "239.1.1.1"), 5)), uint8(2))
	f.Add([]byte(tagged6(udp6(1, "2001:db8::9", "ff15::1:1"))), uint8(2))
	f.Fuzz(func(t *testing.T, b []byte, n uint8) {
		frame, fault := wire.ParseEther(b)
		if fault != wire.OK {
			return
		}
		s := newScript(t, 4)
		s.do("1 ALLOW 239.1.1.1 10.9.0.101")
		s.do("2 TO_EX 239.1.1.1 10.9.0.102")
		s.do("3 TO_EX 232.1.1.1")
		s.do("0 6 query me")
		s.do("1 6 ALLOW ff35::1:1 fd09::101")
		s.do("2 6 TO_EX ff15::1:1 fd09::102")
		s.run(10 * time.Second)
		for range 2 {
			s.b.Input(s.now, s.env(), int32(n%5), frame, &s.d)
			targets(t, &s.d)
			checkLists(t, s.b)
			s.run(time.Duration(n) * time.Second)
			checkLists(t, s.b)
		}
	})
}
