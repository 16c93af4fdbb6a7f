package interop

import (
	"fmt"
	"testing"
	"time"

	"github.com/seed88948545/vimage/interop/ns"
	"github.com/seed88948545/vimage/link"
)

// TestTCPKernel is the script between vimage and Linux: tshark may say nothing
// that it does not say of Linux with Linux.
func TestTCPKernel(t *testing.T) {
	eachLoss(t, func(t *testing.T, percent int, fault link.FaultConfig) {
		wantExpert(t, percent, expert(t, rigConfig{fault: fault}))
	})
}

// TestTCP6Kernel is the script over IPv6, on a link that loses nothing.
func TestTCP6Kernel(t *testing.T) {
	ns.Run(t, func(t *testing.T) {
		fault := link.FaultConfig{Seed: 1, Delay: time.Millisecond, Rate: 100e6, Queue: 64 << 20, Limit: 1 << 16}
		wantExpert(t, 0, expert(t, rigConfig{v6: true, fault: fault}))
	})
}

// TestTCPKernelBulk sends both ways over links of both usual MTUs, with
// super-segments and without, as bytes that are compared and as iperf3 counts.
func TestTCPKernelBulk(t *testing.T) { bulkLinks(t, false) }

// TestTCPLinuxBulk is the same between Linux and Linux.
func TestTCPLinuxBulk(t *testing.T) {
	if !soak() {
		t.Skip("a test of the test: VIMAGE_SOAK=1")
	}
	bulkLinks(t, true)
}

func bulkLinks(t *testing.T, linux bool) {
	for _, mtu := range [...]int{1500, 9000} {
		for _, offload := range [...]bool{false, true} {
			t.Run(fmt.Sprintf("MTU %d offload %v", mtu, offload), func(t *testing.T) {
				ns.Run(t, func(t *testing.T) {
					r := newTCPRig(t, rigConfig{linux: linux, mtu: mtu, offload: offload})
					bulkTCP(t, r.a, r.b, 32<<20)
					bulkTCP(t, r.b, r.a, 32<<20)
					iperfBothWays(t, r)
					r.b.wantCleanCounters(t)
				})
			})
		}
	}
}

// TestTCPKernelStopsReading has either end not read for a minute.
func TestTCPKernelStopsReading(t *testing.T) {
	if !soak() {
		t.Skip("takes two minutes: VIMAGE_SOAK=1")
	}
	for _, who := range [...]string{"Linux", "ours"} {
		t.Run(who, func(t *testing.T) {
			ns.Run(t, func(t *testing.T) {
				r := newTCPRig(t, rigConfig{fault: link.FaultConfig{Seed: 1, Delay: time.Millisecond}})
				reader, writer := tcpEnd(r.b), r.a
				if who == "ours" {
					reader, writer = writer, reader
				}
				stopReading(t, reader, writer, time.Minute)
			})
		})
	}
}
