package policy

import (
	"slices"
	"strings"
	"testing"
)

// checks are all the rules, by the name of their test.
var checks = map[string]func(*module) []finding{
	"Imports":    checkImports,
	"Time":       checkTime,
	"Go":         checkGo,
	"Vars":       checkVars,
	"Sizes":      func(m *module) []finding { list, _ := checkSizes(m); return list },
	"Comments":   checkComments,
	"Unfinished": checkUnfinished,
	"Values":     checkValues,
}

// TestModule holds the module to the rules.
func TestModule(t *testing.T) {
	m := here(t)
	for name, check := range checks {
		t.Run(name, func(t *testing.T) {
			for _, f := range check(m) {
				t.Error(f)
			}
		})
	}
	_, notes := checkSizes(m)
	t.Log("sizes:\n" + strings.Join(notes, "\n"))
}

const (
	room  = "// Package p is planted.\npackage p\n"
	front = "// Package vimage is planted.\npackage vimage\n"
)

// clean breaks no rule, though it comes near most of them.
var clean = map[string]string{
	"front.go":               front + "import (\"time\"; \"errors\")\n// ErrX is a sentinel.\nvar ErrX = errors.New(\"x\")\n// Hour is fine.\nconst Hour = time.Hour\nfunc f() { go f() }\n",
	"internal/clock/real.go": "// Package clock is planted.\npackage clock\nimport \"time\"\n// Now tells the time.\nfunc Now() int64 { return time.Now().UnixNano() }\n",
	"internal/proto/p/doc.go": room + `import ("net/netip"; "time"; "fmt")
var names = [...]string{"a", "b"}
var flags = struct{ a, b int }{1, 2}
var net = [...]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
var _ fmt.Stringer = T(0)
// T is a type.
type T int
func (t T) String() string { return names[t] }
// Tunables are the room's.
type Tunables struct {
	MaxAge int32 ` + "`sysctl:\"net.max_age,min=1\"`" + `
	On bool ` + "`sysctl:\"net.on\"`" + `
	_ [3]byte
}
// Stats are the room's.
type Stats struct { In uint64 ` + "`stat:\"p.in\"`" + ` }
// TODO: wait for the other room, which does not exist yet
func f(d time.Duration) int { x := flags; x.a++; n := names; n[0] = ""; for i := range names { x.b += i }; return x.a + len(net) }
`,
	"internal/proto/p/p_test.go": "package p\nimport (\"testing\"; \"os\"; \"time\")\nvar state int\nfunc TestX(t *testing.T) { state++; _ = time.Now(); if os.Getenv(\"X\") == \"\" { t.Skip(\"needs X\") } }\n",
	"internal/netisr/run.go":     "// Package netisr is planted.\npackage netisr\nfunc f() { go f() }\n",
	"internal/vnet/vars.go":      "// Package vnet is planted.\npackage vnet\nimport \"github.com/seed88948545/vimage/internal/proto/p\"\n// Tunables are all rooms'.\ntype Tunables struct { P p.Tunables }\n",
	"cmd/vimage/main.go":         "// Command vimage is planted.\npackage main\nvar debug bool\nfunc main() { debug = true }\n",
}

// broken are sources that break one rule each, with what is said about it.
var broken = []struct{ name, check, file, src, says string }{
	{"room imports room", "Imports", "internal/proto/arp/doc.go", room + `import _ "github.com/seed88948545/vimage/internal/proto/fib"`, "beside or above"},
	{"leaf imports room", "Imports", "internal/wire/doc.go", room + `import _ "github.com/seed88948545/vimage/internal/proto/fib"`, "beside or above"},
	{"link imports hall", "Imports", "link/link.go", room + `import _ "github.com/seed88948545/vimage/internal/vnet"`, "beside or above"},
	{"hall imports front door", "Imports", "internal/vnet/in.go", room + `import _ "github.com/seed88948545/vimage"`, "beside or above"},
	{"front door imports lab", "Imports", "front.go", front + `import _ "github.com/seed88948545/vimage/lab"`, "beside or above"},
	{"room with sync", "Imports", "internal/proto/arp/doc.go", room + `import _ "sync"`, "not in the packages"},
	{"room with atomics", "Imports", "internal/proto/arp/doc.go", room + `import _ "sync/atomic"`, "not in the packages"},
	{"fib with a lock", "Imports", "internal/proto/fib/doc.go", room + `import _ "sync"`, "not in the packages"},
	{"room with math/rand/v2", "Imports", "internal/proto/arp/doc.go", room + `import _ "math/rand/v2"`, "not in the packages"},
	{"wire with net", "Imports", "internal/wire/doc.go", room + `import _ "net"`, "not in the packages"},
	{"wire with log/slog", "Imports", "internal/wire/doc.go", room + `import _ "log/slog"`, "not in the packages"},
	{"wire with unsafe", "Imports", "internal/wire/doc.go", room + `import _ "unsafe"`, "not in the packages"},
	{"bart elsewhere", "Imports", "internal/proto/arp/doc.go", room + `import _ "github.com/gaissmai/bart"`, "not a module"},
	{"cobra in the core", "Imports", "front.go", front + `import _ "github.com/spf13/cobra"`, "not a module"},
	{"cgo", "Imports", "front.go", front + `import "C"`, "cgo"},
	{"dot import", "Imports", "front.go", front + `import . "fmt"`, "by dot"},
	{"unknown package", "Imports", "internal/util/util.go", room, "add a line with a reason to rules in internal/policy/rules_test.go"},

	{"now in a room", "Time", "internal/proto/arp/doc.go", room + "import \"time\"\nvar _ = time.Now()\n", "only internal/clock"},
	{"timer in the hall", "Time", "internal/vnet/t.go", room + "import t \"time\"\nfunc f() { t.AfterFunc(1, f) }\n", "only internal/clock"},
	{"since in the front door", "Time", "front.go", front + "import \"time\"\nvar _ = time.Since\n", "only internal/clock"},
	{"sleep in a test", "Time", "lab/lab_test.go", "package lab\nimport \"time\"\nfunc f() { time.Sleep(1) }\n", "time.Sleep in a test"},

	{"go in a room", "Go", "internal/proto/arp/doc.go", room + "func f() { go f() }\n", "go statement"},
	{"go in the hall", "Go", "internal/vnet/a.go", room + "func f() { func() { go f() }() }\n", "go statement"},
	{"go in a second file", "Go", "internal/netisr/b.go", "// Package netisr is planted.\npackage netisr\nfunc g() { go g() }\n", "go statement"},

	{"counter", "Vars", "front.go", front + "var n int\n", "n: only error sentinels"},
	{"map", "Vars", "front.go", front + "var m = map[int]int{}\n", "m: only error sentinels"},
	{"slice", "Vars", "front.go", front + "var s = []int{1}\n", "s: only error sentinels"},
	{"pool", "Vars", "front.go", front + "import \"sync\"\nvar p sync.Pool\n", "holds a pointer"},
	{"lock", "Vars", "front.go", front + "import \"sync\"\nvar mu sync.Mutex\n", "holds a pointer"},
	{"atomic", "Vars", "front.go", front + "import \"sync/atomic\"\nvar n atomic.Int64\n", "holds a pointer"},
	{"array of slices", "Vars", "front.go", front + "var a [2][]int\n", "holds a pointer"},
	{"struct with a pointer", "Vars", "front.go", front + "var a struct{ p *int }\n", "holds a pointer"},
	{"array assigned to", "Vars", "front.go", front + "var a [2]int\nfunc f() { a[1] = 1 }\n", "assigned to"},
	{"struct counted up", "Vars", "front.go", front + "var a struct{ n struct{ x int } }\nfunc f() { (a.n).x++ }\n", "assigned to"},
	{"address taken", "Vars", "front.go", front + "var a [2]int\nfunc f() *int { return &a[0] }\n", "address"},
	{"array sliced", "Vars", "front.go", front + "var a [2]int\nfunc f() []int { return a[:] }\n", "address"},
	{"pointer method", "Vars", "front.go", front + "type t struct{ n int }\nfunc (x *t) m() {}\nvar a t\nfunc f() { a.m() }\n", "address"},
	{"ranged into", "Vars", "front.go", front + "var a [2]int\nfunc f() { for a[0] = range 3 {} }\n", "assigned to"},
	{"sentinel assigned to", "Vars", "front.go", front + "import \"errors\"\nvar err = errors.New(\"x\")\nfunc f() { err = nil }\n", "assigned to"},

	{"long file", "Sizes", "front.go", front + strings.Repeat("\n", 800), "the limit is 800"},
	{"long function", "Sizes", "front.go", front + "func f() {\n" + strings.Repeat("\n", 79) + "}\n", "the limit is 80"},
	{"long functions", "Sizes", "front.go", front + strings.Repeat("func f() {}\n", 8) + strings.Repeat("func f() {\n"+strings.Repeat("\n", 34)+"}\n", 2), "90th percentile"},
	{"large hall", "Sizes", "internal/vnet/a.go", room + strings.Repeat("\n", 5000), "the limit is 5000"},

	{"no package comment", "Comments", "front.go", "package vimage\n", "no package comment"},
	{"no doc.go", "Comments", "internal/proto/arp/arp.go", room, "no doc.go"},
	{"no comment on a function", "Comments", "front.go", front + "func F() {}\n", "exported F"},
	{"no comment on a method", "Comments", "front.go", front + "// T is.\ntype T[A any] int\nfunc (t *T[A]) M() {}\n", "exported M"},
	{"no comment on a type", "Comments", "front.go", front + "type T int\n", "exported type T"},
	{"no comment on a constant", "Comments", "front.go", front + "const (\n\ta = 1\n\tB = 2\n)\n", "exported B"},

	{"bare mark", "Unfinished", "front.go", front + "// TO" + "DO\n", "without a reason"},
	{"mark with a wish", "Unfinished", "front_test.go", front + "/*\n FIX" + "ME: later\n*/\n", "without a reason"},
	{"bare skip", "Unfinished", "front_test.go", front + "import \"testing\"\nfunc f(t *testing.T) { t.SkipNow() }\n", "SkipNow without"},
	{"empty skip", "Unfinished", "front_test.go", front + "import \"testing\"\nfunc f(b *testing.B) { b.Skip() }\n", "Skip without"},

	{"pointer in statistics", "Values", "internal/proto/arp/doc.go", room + "type Stats struct { N *int `stat:\"n\"` }\n", "only integers"},
	{"float in tunables", "Values", "internal/vnet/vars.go", room + "type Tunables struct { N float64 `sysctl:\"n\"` }\n", "only integers"},
	{"array in statistics", "Values", "internal/proto/arp/doc.go", room + "type Stats struct { N [4]uint64 `stat:\"n\"` }\n", "only integers"},
	{"lock in a part", "Values", "internal/vnet/vars.go", room + "import \"sync\"\ntype Tunables struct { IP part }\ntype part struct { mu sync.Mutex }\n", "Tunables.IP.mu"},
	{"no tag in a part", "Values", "internal/vnet/vars.go", room + "type Stats struct { IP struct { N int } }\n", "Stats.IP.N has no tag"},
	{"no tag", "Values", "internal/proto/arp/doc.go", room + "type Stats struct { N int }\n", "no tag stat"},
	{"wrong tag", "Values", "internal/proto/arp/doc.go", room + "type Tunables struct { N int `stat:\"n\"` }\n", "no tag sysctl"},
}

// TestRulesCanFail plants what each rule forbids, and nothing that it allows.
func TestRulesCanFail(t *testing.T) {
	exports, err := goList(".", "errors", "fmt", "net/netip", "sync", "sync/atomic", "time")
	if err != nil {
		t.Fatal(err)
	}
	good := planted(t, exports, clean)
	for name, check := range checks {
		for _, f := range check(good) {
			t.Errorf("%s refuses clean sources: %v", name, f)
		}
	}
	for _, b := range broken {
		t.Run(b.name, func(t *testing.T) {
			sources := map[string]string{b.file: b.src}
			if strings.HasPrefix(b.file, "internal/netisr/") {
				sources["internal/netisr/a.go"] = clean["internal/netisr/run.go"]
			}
			m := parsed(t, sources)
			if b.check == "Vars" || b.check == "Values" {
				m = planted(t, exports, sources)
			}
			found := checks[b.check](m)
			if !slices.ContainsFunc(found, func(f finding) bool { return strings.Contains(f.String(), b.says) }) {
				t.Errorf("found %v, want a finding that says %q", found, b.says)
			}
		})
	}
}
