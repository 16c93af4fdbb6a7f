package linuxlab

import (
	"encoding/json"
	"net/netip"
	"slices"
	"testing"

	"github.com/seed88948545/vimage/interop/ns"
)

// Entry is one line of the bridge's multicast database. A port that listens to
// some sources of a group has an entry for the group, with its filter mode and
// the source list, and one for each (S,G) of it.
type Entry struct {
	Port    string
	Group   netip.Addr
	Source  netip.Addr // of an (S,G) entry; else the zero Addr
	Mode    string     // "include" or "exclude"; empty where the kernel names none
	Sources []netip.Addr
	Blocked bool // an (S,G) entry that keeps S's packets from the port
}

// MDB returns the entries of IP groups, in the order the kernel lists them.
func MDB(t testing.TB) []Entry {
	t.Helper()
	out := ns.Bridge(t, "-j", "-d", "mdb", "show", "dev", Bridge)
	entries, err := parseMDB([]byte(out))
	if err != nil {
		t.Fatalf("bridge -j -d mdb show: %v\n%s", err, out)
	}
	return entries
}

// Find returns the entry of a port for a group or, if source is valid, for an
// (S,G).
func Find(entries []Entry, port string, group, source netip.Addr) (Entry, bool) {
	for _, e := range entries {
		if e.Port == port && e.Group == group && e.Source == source {
			return e, true
		}
	}
	return Entry{}, false
}

func parseMDB(text []byte) ([]Entry, error) {
	var doc []struct {
		MDB []struct {
			Port   string     `json:"port"`
			Group  string     `json:"grp"` // an address, or a MAC
			Source netip.Addr `json:"src"`
			Mode   string     `json:"filter_mode"`
			List   []struct {
				Address netip.Addr `json:"address"`
			} `json:"source_list"`
			Flags []string `json:"flags"`
		} `json:"mdb"`
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	var entries []Entry
	for _, d := range doc {
		for _, m := range d.MDB {
			group, err := netip.ParseAddr(m.Group)
			if err != nil {
				continue
			}
			e := Entry{Port: m.Port, Group: group, Source: m.Source, Mode: m.Mode, Blocked: slices.Contains(m.Flags, "blocked")}
			for _, s := range m.List {
				e.Sources = append(e.Sources, s.Address)
			}
			entries = append(entries, e)
		}
	}
	return entries, nil
}
