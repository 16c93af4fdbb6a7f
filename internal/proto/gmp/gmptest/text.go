package gmptest

import (
	"fmt"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/mcast"
)

var recordNames = [...]string{"", "IS_IN", "IS_EX", "TO_IN", "TO_EX", "ALLOW", "BLOCK"}

// RecordName names a record type (RFC 3376 §4.2.12).
func RecordName(typ uint8) string { return recordNames[typ] }

// RecordType returns the type of that name, or one that there is not.
func RecordType(name string) uint8 {
	for i, n := range recordNames {
		if n == name {
			return uint8(i)
		}
	}
	return 99
}

// IP reads an address.
func IP(s string) netip.Addr { return netip.MustParseAddr(s) }

// At is a moment of a transcript.
func At(d time.Duration) clock.Time { return clock.Time(0).Add(d) }

// Duration reads a time span.
func Duration(t testing.TB, s string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Set writes a list of sources, a long one by its ends.
func Set(list []netip.Addr, long int) string {
	var words []string
	for _, a := range mcast.Sorted(list) {
		words = append(words, a.String())
	}
	if len(words) > long {
		return fmt.Sprintf("{%d sources %s..%s}", len(words), words[0], words[len(words)-1])
	}
	return "{" + strings.Join(words, " ") + "}"
}

// Addrs reads a list, with or without braces; "10.0.0.1..10.0.1.144" stands for
// a range.
func Addrs(s string) []netip.Addr {
	var list []netip.Addr
	for _, w := range strings.Fields(strings.Trim(s, "{}")) {
		from, to, ranged := strings.Cut(w, "..")
		a := IP(from)
		list = append(list, a)
		for ranged && a != IP(to) {
			a = a.Next()
			list = append(list, a)
		}
	}
	return list
}

// FilterOf reads "I{10.0.0.1 10.0.0.2}", "E{}" or "none".
func FilterOf(t testing.TB, s string) mcast.Filter {
	t.Helper()
	f := mcast.Filter{Mode: mcast.Include}
	switch {
	case s == "none":
		return mcast.Filter{}
	case strings.HasPrefix(s, "E{"):
		f.Mode = mcast.Exclude
	case !strings.HasPrefix(s, "I{"):
		t.Fatalf("bad filter %q", s)
	}
	f.Sources = mcast.Sorted(Addrs(s[1:]))
	return f
}

func filterText(f mcast.Filter) string {
	return f.Mode.String()[:1] + Set(f.Sources, 10)
}

// tune sets tunables by the last parts of their names.
func tune(t testing.TB, tunables any, options map[string]string) {
	t.Helper()
	v := reflect.ValueOf(tunables).Elem()
	for key, value := range options {
		n, err := strconv.Atoi(value)
		found := false
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("sysctl"), ",")
			if strings.HasSuffix(name, "."+key) && err == nil {
				v.Field(i).SetInt(int64(n))
				found = true
			}
		}
		if !found {
			t.Fatalf("no tunable %s=%s", key, value)
		}
	}
}
