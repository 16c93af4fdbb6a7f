package igmp

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/proto/gmp/gmptest"
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

// TestQuerierAgainstLinux: the querier of those captures was a Linux bridge, which
// asked every 4 s.
func TestQuerierAgainstLinux(t *testing.T) {
	gmptest.CompareQueriers(t, "testdata/kernel", frames, func(t testing.TB, version int) *gmptest.RouterScript {
		s := newRouterScript(t)
		s.tun.QueryInterval, s.tun.QueryResponse, s.tun.Version = 4, 20, 3
		if version > 0 {
			s.tun.Version = int32(version)
		}
		s.Reset(0, gmptest.IP("10.9.0.1"))
		return &s.RouterScript
	})
}
