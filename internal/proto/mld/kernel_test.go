package mld

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/proto/gmp/gmptest"
	"github.com/seed88948545/vimage/internal/proto/mcast"
)

// TestAgainstLinux: the captures in testdata/kernel were made with Linux 6.18 in
// network namespaces; "crafted" ones have queries made by hand and answers by the
// kernel.
func TestAgainstLinux(t *testing.T) {
	gmptest.Compare(t, "testdata/kernel", frames, func(t testing.TB, version int32, seed uint64) gmptest.Host {
		return newTestHost(t, version, seed)
	})
}

// seeds adds every captured message to a corpus.
func seeds(f *testing.F, add func(message []byte)) {
	files, _ := filepath.Glob("testdata/kernel/*.pcap")
	for _, file := range files {
		packets(f, file, func(_ time.Duration, p *Packet) { add(p.Payload) })
	}
}

// TestLinkUpAsLinux: testdata/linkup.pcap has two Linux hosts coming up. Each
// reports its solicited-node group from :: and, once it has an address, again
// (RFC 3590 §4, RFC 3810 §5.2.13).
func TestLinkUpAsLinux(t *testing.T) {
	for _, group := range []string{"ff02::1:ff00:a", "ff02::1:ff00:b"} {
		var theirs, ours []string
		begun, addressed := time.Duration(-1), time.Duration(-1)
		packets(t, "testdata/linkup.pcap", func(at time.Duration, p *Packet) {
			m := text(p.Payload)
			if !strings.Contains(m, group+" ") {
				return
			}
			if begun < 0 {
				begun = at
			}
			if addressed < 0 && !p.Src.IsUnspecified() {
				addressed = at
			}
			theirs = append(theirs, m)
		})
		s := newHostScript(t)
		pull := func(until time.Duration) {
			for line := range strings.Lines(s.Run(gmptest.At(until))) {
				_, m, _ := strings.Cut(strings.TrimSpace(line), " ")
				ours = append(ours, m)
			}
		}
		pull(begun)
		s.Change(s.Now, gmptest.IP(group), mcast.Filter{Mode: mcast.Exclude}, 0)
		pull(addressed)
		s.Announce(s.Now)
		pull(time.Minute)
		if len(theirs) != 4 || !slices.Equal(ours, theirs) {
			t.Errorf("sent %q, Linux sent %q", ours, theirs)
		}
	}
}

// TestQuerierAgainstLinux: the querier of those captures was a Linux bridge, which
// asked every 4 s.
func TestQuerierAgainstLinux(t *testing.T) {
	gmptest.CompareQueriers(t, "testdata/kernel", frames, func(t testing.TB, version int) *gmptest.RouterScript {
		s := newRouterScript(t)
		s.tun.QueryInterval, s.tun.QueryResponse, s.tun.Version = 4, 2000, 2
		if version > 0 {
			s.tun.Version = int32(version)
		}
		s.Reset(0, gmptest.IP("fe80::ff:fe00:fe"))
		return &s.RouterScript
	})
}
