package filter

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/bpf"
)

// What is refused, where, and what the message says should stand there.
func TestErrors(t *testing.T) {
	for _, c := range []struct {
		expr string
		pos  int
		word string
		why  string
	}{
		{"foo", 0, "foo", "unknown word"},
		{"ip and foo", 7, "foo", "host, net, port or proto must stand before it"},
		{"host foo", 5, "foo", "names are not looked up"},
		{"ether host gateway", 11, "gateway", "an address"},
		{"net 10/8", 6, "/", "and, or, or the end"},
		{"net 10.1/8", 4, "10.1", "bits are set"},
		{"net 10.0.0.0/33", 13, "33", "at most 32"},
		{"net 2001:db8::1/64", 4, "2001:db8::1", "bits are set"},
		{"net 2001:db8::/129", 15, "129", "at most 128"},
		{"net 10.0.0.0 mask 255", 18, "255", "255.255.255.0"},
		{"host 10.0.0.0/8", 5, "10.0.0.0", "only a net"},
		{"host 300.1.1.1", 5, "300.1.1.1", "0 to 255"},
		{"host 1:2:3", 5, "1:2:3", "neither an IPv6"},
		{"tcp host 10.0.0.1", 9, "10.0.0.1", "ip, arp, rarp"},
		{"ip host ::1", 8, "::1", "can follow ip6"},
		{"ether host 10.0.0.1", 11, "10.0.0.1", "Ethernet address"},
		{"host 02:00:00:00:00:01", 5, "02:00:00:00:00:01", "ether host"},
		{"port 65536", 5, "65536", "0 to 65535"},
		{"port nosuch", 5, "nosuch", "unknown service"},
		{"udp port http", 9, "http", "not known on this transport"},
		{"ip port 80", 8, "80", "tcp, udp, sctp"},
		{"portrange 1-99999", 12, "99999", "0 to 65535"},
		{"portrange 1-08", 12, "08", "octal"},
		{"ip proto tcp", 9, "tcp", `write \tcp`},
		{"ip proto nosuch", 9, "nosuch", "unknown protocol"},
		{"tcp proto 6", 10, "6", "ether, ip, ip6"},
		{"ether", 0, "ether", "must follow"},
		{"host 10.0.0.1 10.0.0.2", 14, "10.0.0.2", "and, or"},
		{"host 10.0.0.1 and", 17, "", "the filter ends"},
		{"and ip", 0, "and", "before it and behind it"},
		{"(ip", 3, "", ") should stand here"},
		{"ip)", 2, ")", "no ( before it"},
		{"ip #", 3, "#", "no filter has such a character"},
		{"ip é", 3, "é", "no filter has such a character"},
		{"ip[0:3] = 1", 5, "3", "1, 2 or 4"},
		{"ip[0] = ", 8, "", "the filter ends"},
		{"ip[0]", 5, "", "a comparison"},
		{"ip[0] / 0 = 1", 6, "/", "division by zero"},
		{"ip[0] << 32 = 1", 6, "<<", "at most 31"},
		{"ether[-1] = 1", 0, "ether", "before the frame's first byte"},
		{"esp[0] = 1", 0, "esp", "one cannot look at the bytes"},
		{"08 = 8", 0, "08", "octal"},
		{"0x100000000 = 1", 0, "0x100000000", "32 bits"},
		{"tcp or 80", 7, "80", "what is it?"},
		{"port 80 or (443 or tcp)", 19, "tcp", "of the same kind"},
		{"vlan 4096", 5, "4096", "0 to 4095"},
		{"mpls 1048576", 5, "1048576", "0 to 1048575"},
		{"mpls and arp", 9, "arp", "only ip and ip6"},
		{"mpls and vlan", 9, "vlan", "no vlan"},
		{"pppoes and ether host 02:00:00:00:00:01", 22, "02:00:00:00:00:01", "only Ethernet"},
		{"gateway 10.0.0.1", 0, "gateway", "gateways are not known"},
		{"tcp protochain 6", 15, "6", "can follow ip, ip6"},
		{"geneve and ip6 protochain 6", 26, "6", "inside geneve"},
		{"inbound", 0, "inbound", "choose the direction"},
		{"ifindex 3", 0, "ifindex", "choose interfaces"},
		{"wlan addr1 02:00:00:00:00:01", 5, "addr1", "other link layers"},
		{"type mgt", 0, "type", "other link layers"},
		{"radio[0] = 1", 0, "radio", "cannot look"},
		{"llc nosuch", 4, "nosuch", "the types of LLC"},
		{"tcp broadcast", 4, "broadcast", "can follow ether, ip"},
	} {
		_, err := Compile(c.expr, Ethernet, 0)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s: %v", c.expr, err)
			continue
		}
		if e.Pos != c.pos || e.Word != c.word || !strings.Contains(e.Why, c.why) {
			t.Errorf("%s: at %d: %q: %s; want at %d: %q: %s", c.expr, e.Pos, e.Word, e.Why, c.pos, c.word, c.why)
		}
	}
}

func TestErrorText(t *testing.T) {
	_, err := Compile("ip and (tcp or foo)", Ethernet, 0)
	const want = `filter: at 15: "foo": what is it? host, net, port or proto must stand before it`
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if _, err := Compile("ip", 113, 0); err == nil || !strings.Contains(err.Error(), "link type 113") {
		t.Errorf("another link type: %v", err)
	}
}

// Jumps are right where they are too far for a conditional jump's eight bits,
// and where they are nearly.
func TestFarJumps(t *testing.T) {
	m := newMaker(13)
	sparse := 50
	if raceOn {
		sparse = 5
	}
	for n := 20; n < 700; n += 1 + n/sparse {
		for _, join := range []string{" or ", " and "} {
			type pair struct{ a, b, v int }
			var pairs []pair
			var words []string
			for range n {
				p := pair{m.IntN(40), m.IntN(40), m.IntN(4)}
				pairs = append(pairs, p)
				words = append(words, fmt.Sprintf("(ip[%d] = %d and not ip[%d] = 3)", p.a+20, p.v, p.b+20))
			}
			p, err := Compile("("+strings.Join(words, join)+") and not vlan or arp", Ethernet, 96)
			if err != nil {
				t.Fatal(err)
			}
			vm := machineOf(t, p.code)
			for range 20 {
				f := append(append(make([]byte, 12), 8, 0, 0x45), make([]byte, 59)...)
				for i := range 40 {
					f[34+i] = byte(m.IntN(4 + 100*m.IntN(2)))
				}
				want := join == " and "
				for _, p := range pairs {
					if is := f[34+p.a] == byte(p.v) && f[34+p.b] != 3; is != want {
						want = is
						break
					}
				}
				if got := p.Match(f, len(f)); vm(f) != want || (got == 96) != want {
					t.Fatalf("%d%sof %x: the machine says %v, Match %d", n, join, f[14:], vm(f), got)
				}
			}
		}
	}
}

// The first test jumps over any number of instructions, on either branch, to
// either verdict.
func TestEveryDistance(t *testing.T) {
	frame := make([]byte, 60)
	for n := range 150 {
		rest := ""
		for i := range n {
			rest += fmt.Sprintf(" or ether[%d] = 9", i%50+1)
		}
		for _, rest := range []string{rest, " or ether[55] = 7 or ether[55] = 8" + rest} { // two and three instructions
			for first, b := range map[string]byte{"ether[0] = 1": 1, "ether[0] != 1": 0, "ether[0] > 4": 5} {
				frame[0] = b
				for _, verdict := range []bool{true, false} {
					expr := first + rest
					if !verdict {
						expr = "not (" + expr + ")"
					}
					p, err := Compile(expr, Ethernet, 0)
					if err != nil {
						t.Fatal(err)
					}
					if simulate(p.code, frame, -1) != verdict || (p.Match(frame, 60) > 0) != verdict {
						t.Fatalf("%s with %d tests behind it is not %v", first, n, verdict)
					}
				}
			}
		}
	}
}

// Arithmetic of any shape is computed with the cells there are.
func TestDeepArithmetic(t *testing.T) {
	frame := append(append(make([]byte, 12), 8, 0, 0x45), make([]byte, 99)...)
	sum := 0x45 - 100
	for i := range 99 {
		frame[15+i] = byte(i)
		sum += i
	}
	left, right := "ip[0]", "(ip[98] - 99)"
	sumRight := 97 - 99
	for i := 1; i < 100; i++ {
		left = fmt.Sprintf("(%s + ip[%d])", left, i)
	}
	for i := 97; i >= 0; i-- {
		right = fmt.Sprintf("(ip[%d] + %s)", i, right)
	}
	for i := range 98 {
		sumRight += int(frame[14+i])
	}
	for _, c := range []struct {
		expr string
		v    int
	}{{left, sum + 100}, {right, sumRight}, {balanced(0, 64), 0x45 + 62*63/2}} {
		p, err := Compile(fmt.Sprintf("ip and %s = %d", c.expr, c.v), Ethernet, 0)
		if err != nil {
			t.Errorf("%.30s: %v", c.expr, err)
			continue
		}
		if !machineOf(t, p.code)(frame) || p.Match(frame, len(frame)) == 0 {
			t.Errorf("%.30s… is not %d", c.expr, c.v)
		}
	}
	if _, err := Compile("ip and "+balanced(0, 1<<11)+" = 1", Ethernet, 0); err != nil {
		t.Error(err)
	}
}

// balanced is a sum of n bytes from an index on, halved again and again.
func balanced(from, n int) string {
	if n == 1 {
		return fmt.Sprintf("ip[%d]", from)
	}
	return "(" + balanced(from, n/2) + "+" + balanced(from+n/2, n/2) + ")"
}

// A frame may end anywhere.
func TestCutFrames(t *testing.T) {
	frames := goldenFrames(t)
	var programs []*Program
	for _, expr := range append(expressions(t), "ip protochain 6", "ip6 protochain 58") {
		p, err := Compile(expr, Ethernet, 0)
		if err != nil {
			t.Fatal(err)
		}
		programs = append(programs, p)
	}
	m := newMaker(14)
	for range 40 {
		f := pick(m, frames...)
		for n := range min(len(f), 120) {
			part := f[:n:n]
			for _, p := range programs {
				if want, got := simulate(p.code, part, -1), p.Match(part, len(f)) > 0; want != got && !usesLength(p) {
					t.Fatalf("of %x: want %v, Match says %v", part, want, got)
				}
			}
		}
	}
}

func usesLength(p *Program) bool {
	return slices.ContainsFunc(p.code, func(ins bpf.Instruction) bool { _, ok := ins.(bpf.LoadExtension); return ok })
}

// The empty filter accepts what there is, and the length is that on the wire.
func TestMatchLength(t *testing.T) {
	for _, c := range []struct {
		expr    string
		snaplen int
		wire    int
		want    int
	}{
		{"", 0, 60, DefaultSnaplen},
		{"  ", 128, 60, 128},
		{"greater 1000", 128, 1500, 128},
		{"greater 1000", 128, 60, 0},
		{"len = 1500", 0, 1500, DefaultSnaplen},
		{"1 = 2", 0, 60, 0},
	} {
		p, err := Compile(c.expr, Ethernet, c.snaplen)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Match(make([]byte, 60), c.wire); got != c.want {
			t.Errorf("%q, %d bytes on the wire: %d, want %d", c.expr, c.wire, got, c.want)
		}
	}
}

func TestDump(t *testing.T) {
	p, err := Compile("tcp port 80", Ethernet, 0)
	if err != nil {
		t.Fatal(err)
	}
	var text, numbers strings.Builder
	if err := errors.Join(p.Dump(&text), p.DumpNumbers(&numbers)); err != nil {
		t.Fatal(err)
	}
	const first = "(000) ldh [12]\n(001) jeq      #0x86dd           jt 2\tjf 8\n"
	if !strings.HasPrefix(text.String(), first) {
		t.Errorf("-d says\n%s", text.String())
	}
	lines := strings.Split(strings.TrimSpace(numbers.String()), "\n")
	if lines[0] != fmt.Sprint(len(p.code)) || len(lines) != len(p.code)+1 || lines[1] != "40 0 0 12" || lines[2] != "21 0 6 34525" {
		t.Errorf("-ddd says\n%s", numbers.String())
	}
}

// No load is made twice, and no test whose outcome is settled: the program of a
// common filter is as short as tcpdump's.
func TestProgramSize(t *testing.T) {
	for expr, most := range map[string]int{
		"ip": 4, "tcp": 12, "host 10.0.0.1": 14, "port 80": 24, "tcp port 80": 20, "ip and tcp": 6,
		"tcp[tcpflags] & tcp-syn != 0": 12, "vlan 100 and ip": 11, "not ip": 4, "ip and arp": 4,
	} {
		p, err := Compile(expr, Ethernet, 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.code) > most {
			t.Errorf("%s: %d instructions, want at most %d", expr, len(p.code), most)
		}
	}
}

// The longest expressions compile, or are refused, with memory and work that
// grow as they do.
func TestLongExpressions(t *testing.T) {
	most := maxExpression - 40
	if raceOn {
		most /= 8
	}
	for _, part := range []string{"port %d or ", "ip or ", "not ip and ", "vlan %d or ", "host 10.0.%d.1 and ", "(", "not ", "ip[", "-"} {
		var expr strings.Builder
		for i := 0; expr.Len() < most; i++ {
			if strings.Contains(part, "%") {
				fmt.Fprintf(&expr, part, i%200)
			} else {
				expr.WriteString(part)
			}
		}
		p, err := Compile(expr.String()+"arp", Ethernet, 0)
		if err == nil && len(p.code) > maxInstructions+2 {
			t.Errorf("%s…: %d instructions", part, len(p.code))
		}
	}
	if _, err := Compile(strings.Repeat(" ", maxExpression+1), Ethernet, 0); err == nil {
		t.Error("an expression can have any length")
	}
}

func TestMatchDoesNotAllocate(t *testing.T) {
	p, err := Compile("geneve and tcp port 80 or ip[ip[8]] % 3 = len", Ethernet, 0)
	if err != nil {
		t.Fatal(err)
	}
	frames := madeFrames(5, 50)
	if n := testing.AllocsPerRun(100, func() {
		for _, f := range frames {
			p.Match(f, len(f))
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzCompile looks for an expression that makes Compile panic, a program that
// no machine takes, and a frame of which Match and the machine disagree.
func FuzzCompile(f *testing.F) {
	for _, expr := range expressions(f) {
		f.Add(expr, []byte(nil), uint8(0))
	}
	made := madeFrames(6, 64)
	f.Fuzz(func(t *testing.T, expr string, frame []byte, link uint8) {
		p, err := Compile(expr, []LinkType{Ethernet, Raw}[link%2], 0)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Pos < 0 || e.Pos+len(e.Word) > len(expr) || expr[e.Pos:e.Pos+len(e.Word)] != e.Word || e.Why == "" {
				t.Fatalf("%q: a bad error: %#v", expr, err)
			}
			return
		}
		vm, err := bpf.NewVM(p.code)
		if err != nil {
			t.Fatalf("%q: %v", expr, err)
		}
		for _, b := range append(made, frame) {
			n, err := vm.Run(b)
			if err != nil {
				t.Fatalf("%q: %v", expr, err)
			}
			if got := p.Match(b, len(b)); got != n {
				t.Fatalf("%q of %x: the machine says %d, Match %d", expr, b, n, got)
			}
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	frames := madeFrames(8, 256)
	for _, expr := range []string{"ip", "host 10.0.0.1", "tcp port 80", "port 80 or 443 or 53", "vlan and host 10.0.0.1", "tcp[tcpflags] & tcp-syn != 0"} {
		p, err := Compile(expr, Ethernet, 0)
		if err != nil {
			b.Fatal(err)
		}
		vm, err := bpf.NewVM(p.code)
		if err != nil {
			b.Fatal(err)
		}
		name := strings.ReplaceAll(expr, " ", "_")
		b.Run(name+"/Match", func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				f := frames[i%len(frames)]
				p.Match(f, len(f))
			}
		})
		b.Run(name+"/VM", func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				_, _ = vm.Run(frames[i%len(frames)])
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	for b.Loop() {
		if _, err := Compile("tcp port 80 and host 10.0.0.1 and not net 192.168", Ethernet, 0); err != nil {
			b.Fatal(err)
		}
	}
}
