package interop

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed88948545/vimage/interop/ns"
	"github.com/seed88948545/vimage/link/tap"
)

// TestKernelCapture records a host of ours that deals with the kernel, and has
// Wireshark look for anything wrong.
func TestKernelCapture(t *testing.T) {
	if _, err := exec.LookPath("tshark"); err != nil {
		ns.Missing(t, "tshark is not installed")
	}
	eachOffload(t, func(t *testing.T, cfg tap.Config) {
		file := filepath.Join(t.TempDir(), "capture.pcapng")
		f, err := os.Create(file)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		n, k, h := pair(t, cfg, f)
		hostCases(t, k, h)
		n.World.Settle()
		if err := n.EndCapture(); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			filter string
			least  int
		}{
			{`ip.checksum.status == "Good"`, 150},
			{`udp.checksum.status == "Good"`, 2 * len(udpSizes)},
			{`icmp.checksum.status == "Good"`, 24},
			{`arp.opcode == 1`, 1},
			{`arp.opcode == 2`, 1},
			{`ip.reassembled.length`, 8},
			{`icmp.type == 3 && icmp.code == 3`, 2},
		} {
			if got := tshark(t, file, c.filter); len(got) < c.least {
				t.Errorf("%d packets match %q, want %d or more", len(got), c.filter, c.least)
			}
		}
		// What an unreachable port quotes was never on a wire: its checksum may be
		// unfinished, as Linux leaves it.
		const quotes = `(icmp.type == 3 && icmp.code == 3)`
		wrong := `_ws.malformed || ip.checksum.status == "Bad" || icmp.checksum.status == "Bad"` +
			` || (_ws.expert.severity >= "Warning" && !` + quotes + `)` +
			` || (frame.comment && frame.comment != "drop: no port")`
		if got := tshark(t, file, wrong); len(got) != 0 {
			t.Errorf("Wireshark finds fault with %d packets, the first:\n%s", len(got), strings.Join(got[:min(5, len(got))], "\n"))
		}
	})
}

// tshark returns a line for every packet that matches the filter: a summary, or
// fields with ";" between them. Ports that are chosen at random stand for protocols that
// nobody speaks here: what is sent to and from them is data.
func tshark(t *testing.T, file, filter string, fields ...string) []string {
	t.Helper()
	return tsharkWith(t, []string{"-d", "udp.port==5000-65535,data", "-d", "tcp.port==5000-65535,data"}, file, filter, fields...)
}

// tsharkWith is tshark with options of its own, and the port of a protocol meaning that.
func tsharkWith(t *testing.T, options []string, file, filter string, fields ...string) []string {
	t.Helper()
	args := append([]string{"-n", "-2", "-r", file, "-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE",
		"-o", "tcp.check_checksum:TRUE", "-Y", filter}, options...)
	if len(fields) > 0 {
		args = append(args, "-T", "fields", "-E", "separator=;")
	}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	cmd := exec.Command("tshark", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tshark %s: %v: %s", filter, err, &stderr)
	}
	var lines []string
	for l := range strings.Lines(string(out)) {
		lines = append(lines, strings.TrimSpace(l))
	}
	return lines
}
