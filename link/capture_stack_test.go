package link_test

import (
	"bytes"
	"flag"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/link"
	"github.com/seed88948545/vimage/link/pcapng"
)

var update = flag.Bool("update", false, "rewrite testdata")

// dropTracer shows what a stack loses in its capture.
type dropTracer map[*vnet.Stack]*link.Capture

func (d dropTracer) Trace(st *vnet.Stack, _ uint32, b *pkt.Buf, why pkt.Reason) { d[st].Drop(b, why) }

// record captures both ends of a poor cable while two stacks talk over it.
func record(t *testing.T) []byte {
	var file bytes.Buffer
	w := pcapng.NewWriter(&file, pcapng.Section{Application: "vimage"})
	p := newPair(t)
	rec := link.NewRecorder(p.w.Sched(), w, 0)
	poor := link.FaultConfig{Seed: 3, Delay: 5 * time.Millisecond, Jitter: time.Millisecond, Loss: 0.2, Duplicate: 0.2, Rate: 1_000_000}
	f := link.NewFault(p.w.Sched(), 0, poor, poor)
	a := rec.Capture(f.A(), link.CaptureOptions{Name: "a:e0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}})
	b := rec.Capture(f.B(), link.CaptureOptions{Name: "b:e0", SnapLen: 64})
	p.w.SetTracer(dropTracer{p.a: a, p.b: b})
	p.plug(t, a, b)
	from, to := p.listen(t, p.a, "10.0.0.1:9000"), p.listen(t, p.b, "10.0.0.2:7")
	for i := range 12 {
		dst := "10.0.0.2:7"
		if i%4 == 3 {
			dst = "10.0.0.2:8" // nobody listens
		}
		from.WriteTo(bytes.Repeat([]byte{byte('a' + i)}, 10*i), netip.MustParseAddrPort(dst), nil)
		p.sim.RunUntil(p.sim.Now().Add(4 * time.Millisecond))
		drain(t, to, func(string) {})
	}
	p.sim.RunUntil(clock.Time(10 * time.Second))
	drain(t, to, func(string) {})
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f.Close()
	p.close(t)
	return file.Bytes()
}

// TestCaptureGolden compares every byte of a capture, made twice.
func TestCaptureGolden(t *testing.T) {
	got := record(t)
	if !bytes.Equal(got, record(t)) {
		t.Error("the second run made other bytes")
	}
	const file = "testdata/capture.pcapng"
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		path := filepath.Join(t.ArtifactDir(), "capture.pcapng")
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Error(err)
		}
		t.Errorf("the capture differs from %s: see %s (go test -artifacts keeps it)", file, path)
	}
}

// TestCaptureInTshark has another program read the golden capture and find
// every checksum right, and compares what it shows.
func TestCaptureInTshark(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("tshark is not installed")
	}
	cmd := exec.Command(tshark, "-r", "testdata/capture.pcapng", "-t", "r", "-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE",
		"-T", "fields", "-e", "frame.time_relative", "-e", "frame.interface_name", "-e", "frame.packet_flags_direction", "-e", "frame.len",
		"-e", "_ws.col.Protocol", "-e", "ip.checksum.status", "-e", "udp.checksum.status", "-e", "frame.comment")
	cmd.Env = append(os.Environ(), "TZ=UTC", "LC_ALL=C", "HOME="+t.TempDir())
	var stderr strings.Builder
	cmd.Stderr = &stderr
	got, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	const file = "testdata/capture.txt"
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("tshark shows\n%s", got)
	}
	for line := range strings.Lines(string(got)) {
		if f := strings.Split(line, "\t"); len(f) < 7 || f[5] == "0" || f[6] == "0" {
			t.Errorf("a checksum is wrong: %s", line)
		}
	}
}
