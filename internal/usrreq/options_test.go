package usrreq_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/proto/pcb"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/link"
)

// TestOptionTables runs the transcripts of behaviour tables 6.3 and 6.5, by values
// and by the bytes of the C API.
func TestOptionTables(t *testing.T) {
	for _, file := range []string{"options4.txt", "options6.txt"} {
		text, err := os.ReadFile("testdata/" + file)
		if err != nil {
			t.Fatal(err)
		}
		for mode, ask := range map[string]asker{"values": values{}, "bytes": inBytes{}} {
			t.Run(file+"/"+mode, func(t *testing.T) {
				r := newRig(t, ask)
				for n, line := range strings.Split(string(text), "\n") {
					command, want, _ := strings.Cut(line, " = ")
					if f := strings.Fields(command); len(f) > 0 && line[0] != '#' {
						if got := r.run(f); got != strings.TrimSpace(want) {
							t.Errorf("testdata/%s:%d: %s = %s, want %s", file, n+1, strings.TrimSpace(command), got, want)
						}
					}
				}
			})
		}
	}
}

// rig is a stack and the socket under test.
type rig struct {
	t   *testing.T
	st  *vnet.Stack
	ask asker
	s   usrreq.Sock
	tcp bool
}

func newRig(t *testing.T, ask asker) *rig {
	st := newStack(t, newWorld(), "a")
	must(t, control.SetFIBs(st, 2))
	for i, a := range [][]string{{"10.0.0.2/24", "10.0.0.22/24", "fd00::2/64"}, {"10.0.1.2/24", "fd00:0:0:1::2/64"}, {"10.0.2.2/24", "fd00:0:0:2::2/64"}, {}} {
		plug(t, st, "e"+strconv.Itoa(i), link.NewEpair(0).A(), a...)
	}
	dull(st, 4)
	return &rig{t: t, st: st, ask: ask}
}

func (r *rig) run(f []string) string {
	switch arg := f[1:]; f[0] {
	case "socket":
		r.socket(arg[0])
	case "close":
		r.s.Close()
	case "sysctl":
		n, _ := strconv.ParseInt(arg[1], 10, 64)
		must(r.t, r.st.SetSysctl(arg[0], n))
	case "up", "down":
		must(r.t, control.SetUp(r.st, index(arg[0]), f[0] == "up"))
	case "route":
		must(r.t, control.AddRoute(r.st, 0, control.Route{Dst: prefix(arg[0]), IfIndex: index(arg[1])}))
	case "fib":
		must(r.t, r.s.SetFIB(int(index(arg[0]))))
	case "fill":
		r.fill(int(index(arg[0])))
	case "members":
		return r.members()
	case "filter":
		f, e := r.ask.filter(r.s, addr(arg[0]), index(arg[1][1:]))
		return filterText(f, e)
	case "byaddr":
		f, e := r.s.SourceFilter(usrreq.McastIf{Addr: addr(arg[1])}, addr(arg[0]))
		return filterText(f, e)
	default:
		q := parseRequest(r.t, f)
		if r.tcp {
			level, _ := q.level()
			return name(usrreq.TCPSock{}.Setsockopt(level, q.name(), nil))
		}
		return name(r.ask.set(r.s, q))
	}
	return ""
}

func (r *rig) socket(kind string) {
	var e syscall.Errno
	r.tcp = kind == "tcp"
	switch kind {
	case "udp":
		r.s, e = usrreq.ListenUDP(r.st, addrPort("[::]:0"), 0, pcb.ReuseAddr)
	case "udp4":
		r.s, e = usrreq.ListenUDP(r.st, addrPort("0.0.0.0:0"), 0, pcb.ReuseAddr)
	case "udp6only":
		r.s, e = usrreq.ListenUDP6(r.st, addrPort("[::]:0"), 0, pcb.ReuseAddr)
	case "raw4":
		r.s, e = usrreq.ListenRaw(r.st, 89, addr("0.0.0.0"), 0)
	case "raw6":
		r.s, e = usrreq.ListenRaw(r.st, 89, addr("::"), 0)
	case "tcp":
	default:
		r.t.Fatal(kind)
	}
	must(r.t, e)
}

func (r *rig) fill(n int) {
	for i := range n {
		g := netip.AddrFrom4([4]byte{238, 0, byte(i >> 8), byte(i)})
		if !r.s.Speaks(false) {
			g = netip.AddrFrom16([16]byte{0: 0xff, 1: 0x0e, 2: 9, 14: byte(i >> 8), 15: byte(i)})
		}
		must(r.t, r.s.Mcast(usrreq.McastJoin, usrreq.McastIf{Index: 2}, g, netip.Addr{}))
	}
}

func (r *rig) members() string {
	var all []string
	r.s.Memberships(func(_ *vnet.Groups, m *vnet.Members) {
		for i := range m.Len() {
			all = append(all, fmt.Sprintf("%v#%d", m.At(i).Group, m.At(i).IfIndex))
		}
	})
	slices.Sort(all)
	return strings.Join(all, " ")
}

// request is one line of a transcript.
type request struct {
	option        string
	group, source netip.Addr
	at            netip.Addr // by address
	index, zone   uint32
	mode          uint32
	list          []netip.Addr
}

func parseRequest(t *testing.T, f []string) (q request) {
	if len(f) < 3 {
		t.Fatal(f)
	}
	q = request{option: f[0], group: addr(f[1])}
	switch at := f[2]; {
	case at[0] == '#':
		q.index = index(at[1:])
	case at[0] == '%':
		q.zone = index(at[1:])
	case at != "0":
		q.at = addr(at)
	}
	rest := f[3:]
	if strings.HasSuffix(q.option, "MSFILTER") {
		q.mode, rest = index(rest[0]), rest[1:]
		for _, a := range rest {
			q.list = append(q.list, addr(a))
		}
	} else if len(rest) > 0 {
		q.source = addr(rest[0])
	}
	return q
}

// level returns the level of an option: of one that both have, that of the group.
func (q *request) level() (level int, is6 bool) {
	if is6 = strings.HasPrefix(q.option, "IPV6") || q.group.Is6() && q.option[0] == 'M'; is6 {
		return usrreq.IPPROTO_IPV6, true
	}
	return usrreq.IPPROTO_IP, false
}

var names = map[string]struct {
	number int
	op     usrreq.McastOp
}{
	"IP_ADD_MEMBERSHIP":         {12, usrreq.McastJoin},
	"IP_DROP_MEMBERSHIP":        {13, usrreq.McastLeave},
	"IPV6_JOIN_GROUP":           {12, usrreq.McastJoin},
	"IPV6_LEAVE_GROUP":          {13, usrreq.McastLeave},
	"IP_ADD_SOURCE_MEMBERSHIP":  {70, usrreq.McastJoinSource},
	"IP_DROP_SOURCE_MEMBERSHIP": {71, usrreq.McastLeaveSource},
	"IP_BLOCK_SOURCE":           {72, usrreq.McastBlock},
	"IP_UNBLOCK_SOURCE":         {73, usrreq.McastUnblock},
	"IP_MSFILTER":               {74, 0},
	"IPV6_MSFILTER":             {74, 0},
	"MCAST_JOIN_GROUP":          {80, usrreq.McastJoin},
	"MCAST_LEAVE_GROUP":         {81, usrreq.McastLeave},
	"MCAST_JOIN_SOURCE_GROUP":   {82, usrreq.McastJoinSource},
	"MCAST_LEAVE_SOURCE_GROUP":  {83, usrreq.McastLeaveSource},
	"MCAST_BLOCK_SOURCE":        {84, usrreq.McastBlock},
	"MCAST_UNBLOCK_SOURCE":      {85, usrreq.McastUnblock},
}

func (q *request) name() int { return names[q.option].number }

// asker is a way to make requests.
type asker interface {
	set(s usrreq.Sock, q request) syscall.Errno
	filter(s usrreq.Sock, group netip.Addr, index uint32) (mcast.Filter, syscall.Errno)
}

// values makes requests as Go callers do.
type values struct{}

func (values) set(s usrreq.Sock, q request) syscall.Errno {
	at := usrreq.McastIf{Index: q.index + q.zone, Addr: q.at, Any: strings.HasPrefix(q.option, "IP_") && !strings.HasSuffix(q.option, "MSFILTER")}
	if strings.HasSuffix(q.option, "MSFILTER") {
		return s.SetSourceFilter(at, q.group, mcast.Mode(q.mode), q.list)
	}
	return s.Mcast(names[q.option].op, at, q.group, q.source)
}

func (values) filter(s usrreq.Sock, group netip.Addr, index uint32) (mcast.Filter, syscall.Errno) {
	return s.SourceFilter(usrreq.McastIf{Index: index}, group)
}

// inBytes makes requests as C programs do.
type inBytes struct{}

func (inBytes) set(s usrreq.Sock, q request) syscall.Errno {
	level, is6 := q.level()
	at := netip.IPv4Unspecified()
	if q.at.IsValid() {
		at = q.at
	}
	var b []byte
	switch n := q.name(); {
	case n >= 80:
		b = append(le(q.index), 0, 0, 0, 0)
		b = append(b, storage(q.group, q.zone)...)
		if n > 81 {
			b = append(b, storage(q.source, 0)...)
		}
	case n == 74:
		b = append(le(q.index), le(q.mode)...)
		b = append(append(b, le(uint32(len(q.list)))...), 0, 0, 0, 0)
		b = append(b, storage(q.group, 0)...)
		for _, a := range q.list {
			b = append(b, storage(a, 0)...)
		}
	case is6:
		g := q.group.As16()
		b = append(g[:], le(q.index)...)
	case n >= 70:
		b = append(append(q.group.AsSlice(), q.source.AsSlice()...), at.AsSlice()...)
	case n == 12 && !q.at.IsValid():
		b = append(append(q.group.AsSlice(), 0, 0, 0, 0), le(q.index)...)
	default:
		b = append(q.group.AsSlice(), at.AsSlice()...)
	}
	return s.Setsockopt(level, q.name(), b)
}

func (inBytes) filter(s usrreq.Sock, group netip.Addr, index uint32) (f mcast.Filter, e syscall.Errno) {
	level := usrreq.IPPROTO_IP
	if group.Is6() {
		level = usrreq.IPPROTO_IPV6
	}
	const room = 8
	b := append(append(le(index), 0, 0, 0, 0), le(room)...)
	b = append(append(b, 0, 0, 0, 0), storage(group, 0)...)
	b = append(b, make([]byte, room*128)...)
	n, e := s.Getsockopt(level, 74, b)
	if e != 0 {
		return f, e
	}
	f.Mode = mcast.Mode(b[4])
	for at := usrreq.FilterReqLen; at < n; at += 128 {
		f.Sources = append(f.Sources, fromStorage(b[at:]))
	}
	if count := int(binary.LittleEndian.Uint32(b[8:])); count != len(f.Sources) {
		return f, syscall.ERANGE
	}
	return f, 0
}

func le(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }

// storage is a struct sockaddr_storage.
func storage(a netip.Addr, scope uint32) []byte {
	b := make([]byte, 128)
	if a.Is4() {
		copy(b, []byte{16, 2, 0x12, 0x34})
		copy(b[4:], a.AsSlice())
		return b
	}
	copy(b, []byte{28, 28, 0x12, 0x34})
	copy(b[8:], a.AsSlice())
	copy(b[24:], le(scope))
	return b
}

func fromStorage(b []byte) netip.Addr {
	if b[0] == 16 && b[1] == 2 {
		return netip.AddrFrom4([4]byte(b[4:]))
	}
	return netip.AddrFrom16([16]byte(b[8:]))
}

func index(s string) uint32 {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		panic(err)
	}
	return uint32(n)
}

func filterText(f mcast.Filter, e syscall.Errno) string {
	if e != 0 {
		return name(e)
	}
	var list []string
	for _, a := range f.Sources {
		list = append(list, a.String())
	}
	return f.Mode.String() + "{" + strings.Join(list, " ") + "}"
}

func name(e syscall.Errno) string {
	for _, n := range []struct {
		e    syscall.Errno
		name string
	}{
		{0, "ok"}, {syscall.EINVAL, "EINVAL"}, {syscall.EADDRNOTAVAIL, "EADDRNOTAVAIL"}, {syscall.EADDRINUSE, "EADDRINUSE"},
		{syscall.ENOMEM, "ENOMEM"}, {syscall.ENOBUFS, "ENOBUFS"}, {syscall.ENOSPC, "ENOSPC"}, {syscall.EAFNOSUPPORT, "EAFNOSUPPORT"},
		{syscall.EOPNOTSUPP, "EOPNOTSUPP"}, {syscall.ENOPROTOOPT, "ENOPROTOOPT"}, {syscall.EBADF, "EBADF"}, {syscall.EFAULT, "EFAULT"},
	} {
		if n.e == e {
			return n.name
		}
	}
	return e.Error()
}

// TestOptionValues: the options that are no memberships, and values of every
// length.
func TestOptionValues(t *testing.T) {
	r := newRig(t, nil)
	const ip, ip6 = usrreq.IPPROTO_IP, usrreq.IPPROTO_IPV6
	var (
		local = []byte{10, 0, 0, 22}
		first = "0a000002"
		zeros = func(n int) []byte { return make([]byte, n) }
		mreqn = func(a string, i int32) []byte {
			return append(append(zeros(4), addr(a).AsSlice()...), le(uint32(i))...)
		}
	)
	for _, c := range []struct {
		what        string
		level, name int
		set         []byte // nil: get
		want        string // of get: what room is filled with
		room        int
	}{
		{"an option there is not", ip, 99, zeros(4), "EOPNOTSUPP", 0},
		{"", ip, 99, nil, "ENOPROTOOPT", 4},
		{"", ip6, 99, zeros(4), "EOPNOTSUPP", 0},
		{"", ip6, 99, nil, "ENOPROTOOPT", 4},
		{"an option that cannot be read", ip, usrreq.IP_ADD_MEMBERSHIP, nil, "ENOPROTOOPT", 8},
		{"", ip6, usrreq.MCAST_JOIN_GROUP, nil, "ENOPROTOOPT", 136},
		{"a level there is not", 17, usrreq.IP_MULTICAST_TTL, zeros(4), "EINVAL", 0},

		{"a get allocates nothing", ip, usrreq.IP_MULTICAST_LOOP, nil, "01000000", 4},
		{"in the size that is asked for", ip, usrreq.IP_MULTICAST_LOOP, nil, "01", 1},
		{"", ip, usrreq.IP_MULTICAST_TTL, nil, "01", 1},
		{"", ip, usrreq.IP_MULTICAST_TTL, nil, "01000000", 8},
		{"unset", ip, usrreq.IP_MULTICAST_IF, nil, "00000000", 4},
		{"unset", ip, usrreq.IP_MULTICAST_IF, nil, "000000000000000000000000", 12},
		{"", ip6, usrreq.IPV6_MULTICAST_IF, nil, "00000000", 4},
		{"", ip6, usrreq.IPV6_MULTICAST_HOPS, nil, "01000000", 4},
		{"", ip6, usrreq.IPV6_MULTICAST_LOOP, nil, "01000000", 4},
		{"", ip, usrreq.IP_MSFILTER, nil, "EADDRNOTAVAIL", usrreq.FilterReqLen},

		{"by an alias", ip, usrreq.IP_MULTICAST_IF, local, "ok", 0},
		{"the alias is not remembered", ip, usrreq.IP_MULTICAST_IF, nil, first, 4},
		{"", ip, usrreq.IP_MULTICAST_IF, nil, "00000000" + first + "02000000", 12},
		{"the families are apart", ip6, usrreq.IPV6_MULTICAST_IF, nil, "00000000", 4},
		{"only the index counts", ip, usrreq.IP_MULTICAST_IF, mreqn("10.9.9.9", 3), "ok", 0},
		{"", ip, usrreq.IP_MULTICAST_IF, nil, "0a000102", 4},
		{"not ours", ip, usrreq.IP_MULTICAST_IF, []byte{10, 9, 9, 9}, "EADDRNOTAVAIL", 0},
		{"index 0.0.0.2 is none", ip, usrreq.IP_MULTICAST_IF, []byte{0, 0, 0, 2}, "EADDRNOTAVAIL", 0},
		{"negative", ip, usrreq.IP_MULTICAST_IF, mreqn("10.0.0.2", -1), "EINVAL", 0},
		{"unknown", ip, usrreq.IP_MULTICAST_IF, mreqn("10.0.0.2", 9), "EADDRNOTAVAIL", 0},
		{"cannot multicast", ip, usrreq.IP_MULTICAST_IF, mreqn("0.0.0.0", 4), "EOPNOTSUPP", 0},
		{"", ip, usrreq.IP_MULTICAST_IF, []byte{10, 0, 2, 2}, "EOPNOTSUPP", 0},
		{"short", ip, usrreq.IP_MULTICAST_IF, zeros(3), "EINVAL", 0},
		{"what failed changed nothing", ip, usrreq.IP_MULTICAST_IF, nil, "0a000102", 4},
		{"without address", ip, usrreq.IP_MULTICAST_IF, mreqn("0.0.0.0", 5), "ok", 0},
		{"", ip, usrreq.IP_MULTICAST_IF, nil, "000000000000000005000000", 12},
		{"index 0 clears, whatever the address", ip, usrreq.IP_MULTICAST_IF, mreqn("10.0.0.2", 0), "ok", 0},
		{"", ip, usrreq.IP_MULTICAST_IF, nil, "000000000000000000000000", 12},
		{"", ip, usrreq.IP_MULTICAST_IF, local, "ok", 0},
		{"0.0.0.0 clears", ip, usrreq.IP_MULTICAST_IF, zeros(4), "ok", 0},
		{"", ip, usrreq.IP_MULTICAST_IF, nil, "00000000", 4},

		{"char", ip, usrreq.IP_MULTICAST_TTL, []byte{255}, "ok", 0},
		{"", ip, usrreq.IP_MULTICAST_TTL, nil, "ff000000", 4},
		{"int", ip, usrreq.IP_MULTICAST_TTL, le(0), "ok", 0},
		{"", ip, usrreq.IP_MULTICAST_TTL, nil, "00", 1},
		{"too large", ip, usrreq.IP_MULTICAST_TTL, le(256), "EINVAL", 0},
		{"-1", ip, usrreq.IP_MULTICAST_TTL, le(1<<32 - 1), "EINVAL", 0},
		{"short", ip, usrreq.IP_MULTICAST_TTL, zeros(2), "EINVAL", 0},
		{"empty", ip, usrreq.IP_MULTICAST_TTL, zeros(0), "EINVAL", 0},
		{"", ip6, usrreq.IPV6_MULTICAST_HOPS, nil, "01000000", 4},

		{"char", ip, usrreq.IP_MULTICAST_LOOP, []byte{0}, "ok", 0},
		{"", ip, usrreq.IP_MULTICAST_LOOP, nil, "00", 1},
		{"any but 0", ip, usrreq.IP_MULTICAST_LOOP, le(77), "ok", 0},
		{"", ip, usrreq.IP_MULTICAST_LOOP, nil, "01000000", 4},
		{"short", ip, usrreq.IP_MULTICAST_LOOP, zeros(3), "EINVAL", 0},

		{"no multicast router", ip, usrreq.IP_MULTICAST_VIF, le(0), "EOPNOTSUPP", 0},
		{"", ip, usrreq.IP_MULTICAST_VIF, nil, "ffffffff", 4},

		{"", ip6, usrreq.IPV6_MULTICAST_IF, le(3), "ok", 0},
		{"", ip6, usrreq.IPV6_MULTICAST_IF, nil, "03000000", 4},
		{"size", ip6, usrreq.IPV6_MULTICAST_IF, zeros(8), "EINVAL", 0},
		{"unknown", ip6, usrreq.IPV6_MULTICAST_IF, le(9), "EADDRNOTAVAIL", 0},
		{"cannot multicast", ip6, usrreq.IPV6_MULTICAST_IF, le(4), "EADDRNOTAVAIL", 0},
		{"", ip6, usrreq.IPV6_MULTICAST_IF, nil, "03000000", 4},
		{"", ip6, usrreq.IPV6_MULTICAST_IF, le(0), "ok", 0},
		{"", ip6, usrreq.IPV6_MULTICAST_IF, nil, "00000000", 4},
		{"", ip6, usrreq.IPV6_MULTICAST_HOPS, le(255), "ok", 0},
		{"", ip6, usrreq.IPV6_MULTICAST_HOPS, nil, "ff000000", 4},
		{"too large", ip6, usrreq.IPV6_MULTICAST_HOPS, le(256), "EINVAL", 0},
		{"-2", ip6, usrreq.IPV6_MULTICAST_HOPS, le(1<<32 - 2), "EINVAL", 0},
		{"size", ip6, usrreq.IPV6_MULTICAST_HOPS, zeros(1), "EINVAL", 0},
		{"-1", ip6, usrreq.IPV6_MULTICAST_HOPS, le(1<<32 - 1), "ok", 0},
		{"the default", ip6, usrreq.IPV6_MULTICAST_HOPS, nil, "01000000", 4},
		{"", ip6, usrreq.IPV6_MULTICAST_LOOP, le(0), "ok", 0},
		{"", ip6, usrreq.IPV6_MULTICAST_LOOP, nil, "00000000", 4},
		{"more than 1", ip6, usrreq.IPV6_MULTICAST_LOOP, le(2), "EINVAL", 0},
		{"size", ip6, usrreq.IPV6_MULTICAST_LOOP, zeros(1), "EINVAL", 0},
		{"", ip, usrreq.IP_MULTICAST_LOOP, nil, "01000000", 4},

		{"short", ip, usrreq.IP_ADD_MEMBERSHIP, zeros(7), "EINVAL", 0},
		{"short", ip, usrreq.IP_DROP_MEMBERSHIP, zeros(7), "EINVAL", 0},
		{"short", ip, usrreq.IP_ADD_SOURCE_MEMBERSHIP, zeros(11), "EINVAL", 0},
		{"short", ip, usrreq.MCAST_JOIN_GROUP, zeros(135), "EINVAL", 0},
		{"short", ip, usrreq.MCAST_BLOCK_SOURCE, zeros(263), "EINVAL", 0},
		{"short", ip, usrreq.IP_MSFILTER, zeros(143), "EINVAL", 0},
		{"short", ip, usrreq.IP_MSFILTER, nil, "EINVAL", 143},
		{"short", ip6, usrreq.IPV6_JOIN_GROUP, zeros(19), "EINVAL", 0},
		{"short", ip6, usrreq.MCAST_LEAVE_GROUP, zeros(135), "EINVAL", 0},
	} {
		if r.s.Sock == nil {
			r.socket("udp")
			must(t, r.st.SetSysctl("net.inet.ip.mcast.loop", 0))
		}
		var got string
		if c.set != nil {
			got = name(r.s.Setsockopt(c.level, c.name, c.set))
		} else {
			b := zeros(c.room)
			n, e := r.s.Getsockopt(c.level, c.name, b)
			if got = name(e); e == 0 {
				got = fmt.Sprintf("%x", b[:n])
			}
		}
		if got != c.want {
			t.Errorf("%s: level %d option %d %x = %s, want %s", c.what, c.level, c.name, c.set, got, c.want)
		}
	}
}

// TestFilterValues: a struct __msfilterreq that is not as it should be.
func TestFilterValues(t *testing.T) {
	r := newRig(t, nil)
	r.socket("udp4")
	group := addr("239.1.1.1")
	must(t, r.s.Mcast(usrreq.McastJoin, usrreq.McastIf{Index: 2}, group, netip.Addr{}))
	head := func(index, mode, n uint32) []byte {
		b := append(append(le(index), le(mode)...), le(n)...)
		return append(append(b, 0, 0, 0, 0), storage(group, 0)...)
	}
	long := storage(addr("10.0.0.9"), 0)
	long[0] = 17
	good := storage(addr("10.0.0.8"), 0)
	for _, c := range []struct {
		what string
		b    []byte
		want syscall.Errno
	}{
		{"a list that is not there", append(head(2, 1, 2), good...), syscall.EFAULT},
		{"it is looked at last", append(head(3, 1, 2), good...), syscall.EADDRNOTAVAIL},
		{"bad length", append(append(head(2, 1, 2), good...), long...), syscall.EINVAL},
		{"bad family", append(append(head(2, 1, 2), good...), storage(addr("fd00::9"), 0)...), syscall.EAFNOSUPPORT},
		{"too many", append(head(2, 1, 129), good...), syscall.ENOBUFS},
		{"very many", head(2, 1, 1<<32-1), syscall.ENOBUFS},
		{"mode", head(2, 258, 0), syscall.EINVAL},
	} {
		if e := r.s.Setsockopt(usrreq.IPPROTO_IP, usrreq.IP_MSFILTER, c.b); e != c.want {
			t.Errorf("%s: %v, want %v", c.what, e, c.want)
		}
		if f, _ := r.s.SourceFilter(usrreq.McastIf{Index: 2}, group); filterText(f, 0) != "EXCLUDE{}" {
			t.Errorf("%s: the filter is %s", c.what, filterText(f, 0))
		}
	}
	must(t, r.s.SetSourceFilter(usrreq.McastIf{Index: 2}, group, mcast.Include, []netip.Addr{addr("10.0.0.9"), addr("10.0.0.7"), addr("10.0.0.8")}))
	b := append(head(2, 0, 2), make([]byte, 256)...)
	n, e := r.s.Getsockopt(usrreq.IPPROTO_IP, usrreq.IP_MSFILTER, b)
	if n != len(b) || e != 0 || b[4] != 1 || b[8] != 3 || fromStorage(b[144:]) != addr("10.0.0.7") || fromStorage(b[272:]) != addr("10.0.0.8") {
		t.Errorf("room for 2 of 3: %d, %v, %x", n, e, b)
	}
	if _, e := r.s.Getsockopt(usrreq.IPPROTO_IP, usrreq.IP_MSFILTER, head(2, 0, 2)); e != syscall.EFAULT {
		t.Errorf("room that is not there: %v", e)
	}
}

// TestStreamOptions: a stream has no multicast options, neither to set nor to get.
func TestStreamOptions(t *testing.T) {
	st := newStack(t, newWorld(), "a")
	l, e := usrreq.ListenTCP(st, addrPort("0.0.0.0:80"), 1, new(socket.TCPOptions))
	must(t, e)
	defer l.Close()
	var s usrreq.TCPSock
	for n := range names {
		q := request{option: n, group: addr("239.1.1.1")}
		level, _ := q.level()
		if e := s.Setsockopt(level, q.name(), make([]byte, 300)); e != syscall.EOPNOTSUPP {
			t.Errorf("set %s: %v", n, e)
		}
		if _, e := s.Getsockopt(level, q.name(), make([]byte, 300)); e != syscall.EOPNOTSUPP {
			t.Errorf("get %s: %v", n, e)
		}
	}
	if _, e := s.Getsockopt(usrreq.IPPROTO_IP, 99, nil); e != syscall.ENOPROTOOPT {
		t.Errorf("get of no option: %v", e)
	}
}
