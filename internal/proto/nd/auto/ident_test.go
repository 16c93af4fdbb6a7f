package auto

import (
	"net/netip"
	"testing"

	"github.com/seed88948545/vimage/internal/wire"
)

// TestRFC7217Section5 looks at the properties that the function must have: the
// same for the same arguments, another one if any of them differs.
func TestRFC7217Section5(t *testing.T) {
	p, q := netip.MustParsePrefix("2001:db8:1::/64"), netip.MustParsePrefix("2001:db8:2::/64")
	secret, other := [32]byte{1}, [32]byte{2}
	id := StableID(p, "em0", "lab", 0, &secret)
	if id != StableID(netip.MustParsePrefix("2001:db8:1::99/64"), "em0", "lab", 0, &secret) {
		t.Error("not stable")
	}
	seen := map[uint64]string{id: "itself"}
	for name, id := range map[string]uint64{
		"prefix":      StableID(q, "em0", "lab", 0, &secret),
		"interface":   StableID(p, "em1", "lab", 0, &secret),
		"network":     StableID(p, "em0", "net", 0, &secret),
		"the border":  StableID(p, "em0l", "ab", 0, &secret),
		"duplicates":  StableID(p, "em0", "lab", 1, &secret),
		"secret":      StableID(p, "em0", "lab", 0, &other),
		"long names":  StableID(p, string(make([]byte, 300)), "lab", 0, &secret),
		"longer ones": StableID(p, string(make([]byte, 301)), "lab", 0, &secret),
	} {
		if was, ok := seen[id]; ok {
			t.Errorf("%s: as with %s", name, was)
		}
		seen[id] = name
	}
}

// TestRFC7217Section5Vector pins the function: changing it would change the
// addresses of every host. The value was computed apart from this code.
func TestRFC7217Section5Vector(t *testing.T) {
	secret := [32]byte{0: 1, 31: 0xff}
	if got := StableID(netip.MustParsePrefix("2001:db8:1::/64"), "em0", "lab", 2, &secret); got != vector {
		t.Errorf("%#x, want %#x", got, uint64(vector))
	}
}

func TestRFC5453Reserved(t *testing.T) {
	for id, want := range map[uint64]bool{
		0: true, 1: false, 0x02005efffe000000: true, 0x02005efffeffffff: true, 0x02005efffdffffff: false, 0x02005effff000000: false,
		0xfdffffffffffff7f: false, 0xfdffffffffffff80: true, 0xfdffffffffffffff: true, 0xfe00000000000000: false,
	} {
		if reserved(id) != want {
			t.Errorf("%#x: %v", id, !want)
		}
	}
}

func TestRFC4291AppendixA(t *testing.T) {
	if got := EUI64(wire.MAC{0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde}); got != 0x365678fffe9abcde {
		t.Errorf("%#x", got)
	}
}

const vector = 0xeee20275f035c952
