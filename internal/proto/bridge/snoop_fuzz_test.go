package bridge

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/wire"
)

const (
	fuzzPorts  = 5 // 0 leads to a router, 4 is whence data comes
	fuzzMember = 20 * time.Second
)

// snoopRun does what bytes say to a switch and to the model.
type snoopRun struct {
	t   testing.TB
	s   *script
	fam family
	six bool
	own bool // the switch asks, and who listens when is for package gmp to test
	m   *model
	log []string
}

func newSnoopRun(t testing.TB, how byte) *snoopRun {
	r := &snoopRun{t: t, s: newScript(t, fuzzPorts), six: how&1 != 0, m: newModel(how&2 != 0, fuzzMember)}
	r.fam = families[how&1]
	r.s.tun.MemberAge = int32(fuzzMember / time.Second)
	r.s.tun.FastLeave = int32(how >> 1 & 1)
	if r.own = how&4 != 0; r.own {
		r.s.do("querier on 10.0.0.100 fe80::aa")
	}
	r.s.do("router 0 on")
	r.s.do("0 6 query me")
	r.s.run(11 * time.Second)
	return r
}

// op is one step: four bytes.
func (r *snoopRun) op(b [4]byte) {
	port, group, list := 1+int(b[1])%3, fmt.Sprintf("%s%d", r.fam.group, b[1]>>4%3), r.sources(b[2])
	types := []string{"IS_IN", "IS_EX", "TO_IN", "TO_EX", "ALLOW", "BLOCK"}
	key := modelKey{port, group}
	switch k := int(b[0]) % 32; {
	case k < 18:
		typ := k % 6
		if r.send(port, r.report(port, types[typ], group, list), b[3], types[typ]+" "+group+" "+strings.Join(list, " ")) {
			r.m.record(r.s.now, key, uint8(typ+1), list, 3)
		}
	case k < 24:
		version, typ := 2, wire.IGMPIsEx
		if k < 20 {
			version, typ = 0, wire.IGMPToIn
		} else if k < 22 && !r.six {
			version = 1
		}
		if r.send(port, r.older(port, group, version), b[3], fmt.Sprint("version ", version, " ", group)) {
			r.m.record(r.s.now, key, typ, nil, version)
		}
	case k < 27: // a specific query, of one second
		r.note(0, "query "+group+" "+strings.Join(list, " "))
		if r.six {
			r.s.do("0 6 query me " + group + " " + strings.Join(list, " "))
		} else {
			r.s.do("0 query 10.0.0.254 " + group + " " + strings.Join(list, " "))
		}
		r.m.query(r.s.now, group, list, 2*time.Second)
	case k == 27:
		r.note(port, "gone and back")
		r.s.do(fmt.Sprint("drop ", port))
		r.s.do(fmt.Sprint("add ", port))
		r.m.drop(port)
	default:
		d := time.Duration(b[2]) * 20 * time.Millisecond
		r.note(port, "time "+d.String())
		r.s.run(d)
		r.m.pass(r.s.now)
	}
	checkLists(r.t, r.s.b)
	r.s.pull()
	if due := r.s.b.Deadline(); due <= r.s.now {
		r.fail("nothing is left to say, but something due: %v", due)
	}
	if !r.own {
		r.compare()
	}
}

func (r *snoopRun) note(port int, what string) {
	r.log = append(r.log, fmt.Sprintf("%v port %d %s", r.s.now, port, what))
}

func (r *snoopRun) sources(mask byte) (list []string) {
	for i := range 4 {
		if mask>>i&1 != 0 {
			list = append(list, fmt.Sprintf("%s%d", r.fam.source, i))
		}
	}
	return list
}

func (r *snoopRun) report(port int, typ, group string, list []string) wire.Ether {
	if r.six {
		return report6(port, linkLocal(port), typ, group, strings.Join(list, " "))
	}
	return reportOf(port, typ, group, strings.Join(list, " "))
}

// older is a report or a leave of an older version.
func (r *snoopRun) older(port int, group string, version int) wire.Ether {
	switch {
	case r.six && version == 0:
		return v1Of6(port, wire.ICMP6MLDDone, group, "ff02::2")
	case r.six:
		return v1Of6(port, wire.ICMP6MLDv1Report, group, group)
	case version == 0:
		return v2Of(port, wire.IGMPTypeV2Leave, group, "224.0.0.2")
	case version == 1:
		return v2Of(port, wire.IGMPTypeV1Report, group, group)
	}
	return v2Of(port, wire.IGMPTypeV2Report, group, group)
}

// send sends a report, of which a bit may be wrong, and tells whether it was to be
// believed.
func (r *snoopRun) send(port int, f wire.Ether, spoil byte, what string) bool {
	bit := -1
	if spoil >= 128 {
		bit = int(spoil-128) * 7 % (8 * (len(f) - wire.EtherLen))
		f[wire.EtherLen+bit/8] ^= 1 << (bit % 8)
		what += fmt.Sprintf(" with bit %d wrong", bit)
	}
	r.note(port, what)
	r.s.b.Input(r.s.now, r.s.env(), int32(port), f, &r.s.d)
	targets(r.t, &r.s.d)
	got := r.s.d.Verdict == ToRouters
	if want, known := r.believes(bit); known && got != want {
		r.fail("%v, want it believed: %v", r.s.d.Verdict, want)
	}
	return got
}

// believes tells whether a report with one wrong bit must be believed. In IPv6
// nothing protects traffic class and flow label, which mean nothing here, and what
// is beside the router alert may be another way to say nothing.
func (r *snoopRun) believes(bit int) (want, known bool) {
	at := bit / 8
	switch {
	case bit < 0:
		return true, true
	case !r.six:
		return false, true
	case at == wire.IPv6Len+6 || at == wire.IPv6Len+7:
		return false, false
	}
	return at == 0 && bit < 4 || at > 0 && at < 4, true
}

func (r *snoopRun) fail(format string, args ...any) {
	r.t.Helper()
	r.t.Fatalf("%s\nsix %v, fast leave %v:\n%s", fmt.Sprintf(format, args...), r.six, r.m.fast, strings.Join(r.log, "\n"))
}

// compare sends data of every source to every group, from two ports.
func (r *snoopRun) compare() {
	for g := range 3 {
		group := fmt.Sprintf("%s%d", r.fam.group, g)
		for a := range 5 {
			src := fmt.Sprintf("%s%d", r.fam.source, a)
			for _, in := range []int{4, 1} {
				want := []int32{0}
				for n := 1; n < fuzzPorts; n++ {
					if n != in && r.m.wants(n, group, src) {
						want = append(want, int32(n))
					}
				}
				r.s.b.Input(r.s.now, r.s.env(), int32(in), r.fam.data(in, src, group), &r.s.d)
				if got := targets(r.t, &r.s.d); !slices.Equal(got, want) {
					r.fail("(%v,%v) from %d goes to %v, want %v", src, group, in, got, want)
				}
				if known := r.s.d.Verdict == Members; known != r.m.reported(group) {
					r.fail("(%v,%v): %v, reported: %v", src, group, r.s.d.Verdict, !known)
				}
			}
		}
	}
}

// FuzzSnoop: reports and queries of all versions, right and wrong, time and ports
// that go; after each step every (S,G) goes where sets say.
func FuzzSnoop(f *testing.F) {
	f.Add([]byte{0, 3, 0, 3, 0, 30, 0, 200, 0, 2, 0, 3, 140})
	f.Add([]byte{1, 1, 0x11, 5, 0, 3, 0x11, 7, 255, 31, 0, 200, 0})
	f.Add([]byte{2, 22, 1, 0, 0, 5, 1, 3, 0, 18, 1, 0, 0, 24, 1, 0, 0, 31, 0, 120, 0})
	f.Add([]byte{4, 0, 1, 3, 0, 5, 1, 3, 0, 30, 0, 25, 0, 26, 1, 1, 0, 18, 1, 0, 0, 30, 0, 200, 0})
	f.Add([]byte{3, 4, 0x21, 15, 0, 5, 0x21, 3, 0, 27, 0x21, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == 0 {
			return
		}
		r := newSnoopRun(t, b[0])
		for b = b[1:min(len(b), 1+4*48)]; len(b) >= 4; b = b[4:] {
			r.op([4]byte(b))
		}
	})
}

// TestSnoopAgainstSets is FuzzSnoop with numbers drawn.
func TestSnoopAgainstSets(t *testing.T) {
	for seed := range uint64(200) {
		x := rand.New(rand.NewPCG(seed, 9))
		r := newSnoopRun(t, byte(seed))
		for range 48 {
			var b [4]byte
			for i := range b {
				b[i] = byte(x.Uint32())
			}
			r.op(b)
		}
	}
}
