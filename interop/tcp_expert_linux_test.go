package interop

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/seed88948545/vimage/interop/ns"
	"github.com/seed88948545/vimage/link"
)

// recordEnv is the environment variable that has tests between Linux and Linux
// write what they see to testdata, for TCP to be compared with, if it is "1".
const recordEnv = "VIMAGE_TCP_RECORD"

// recordings is how often Linux talks with Linux to see all that can be said of it.
const recordings = 8

// expertFile is where the standard for a link is: one for all that lose frames,
// as what a conversation meets of it is a matter of luck.
func expertFile(percent int) string {
	if percent == 0 {
		return filepath.Join("testdata", "tcp-expert-clean.txt")
	}
	return filepath.Join("testdata", "tcp-expert-lossy.txt")
}

// TestTCPLinux is the script between Linux and Linux over our link: what the
// script asks for is what Linux does, and what tshark says of it is on record.
func TestTCPLinux(t *testing.T) {
	eachLoss(t, func(t *testing.T, percent int, fault link.FaultConfig) {
		recording := os.Getenv(recordEnv) == "1"
		if percent != 1 && !recording && !soak() {
			return // one is enough to know that the script is right
		}
		if !recording {
			wantExpert(t, percent, expert(t, rigConfig{linux: true, fault: fault}))
			return
		}
		var all []string
		if percent > 1 { // 1 % comes first
			all = known(t, percent)
		}
		for i := range recordings {
			fault.Seed = uint64(i)
			t.Run(fmt.Sprint(i), func(t *testing.T) { all = append(all, expert(t, rigConfig{linux: true, fault: fault})...) })
		}
		slices.Sort(all)
		text := strings.Join(slices.Compact(all), "\n") + "\n"
		if err := os.WriteFile(expertFile(percent), []byte(text), 0o644); err != nil {
			t.Error(err)
		}
	})
}

// wantExpert checks that tshark said nothing that it does not say of Linux.
func wantExpert(t *testing.T, percent int, got []string) {
	t.Helper()
	all := known(t, percent)
	for _, code := range got {
		if !slices.Contains(all, code) {
			t.Errorf("tshark says what it does not say of Linux with Linux: %s", code)
		}
	}
}

func known(t *testing.T, percent int) []string {
	t.Helper()
	text, err := os.ReadFile(expertFile(percent))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// expert plays the script and returns what tshark has to say about its TCP,
// sorted, each once.
func expert(t *testing.T, c rigConfig) []string {
	t.Helper()
	need(t, "tshark")
	file := filepath.Join(t.TempDir(), "capture.pcapng")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c.record = f
	r := newTCPRig(t, c)
	tcpScript(t, r)
	if err := r.lab.EndCapture(); err != nil {
		t.Fatal(err)
	}
	return expertCodes(t, file)
}

// expertNumber is what differs between two messages of one code.
var expertNumber = regexp.MustCompile(`[0-9]+`)

// expertLevels are the values of _ws.expert.severity.
var expertLevels = map[string]string{
	"1048576": "Comment", "2097152": "Chat", "4194304": "Note", "6291456": "Warning", "8388608": "Error",
}

// onesComplement is the other zero, which Linux leaves in one of 65,536 segments.
const onesComplement = "TCP Checksum 0xffff instead of 0x0000"

// expertCodes returns tshark's expert information on TCP.
func expertCodes(t *testing.T, file string) []string {
	t.Helper()
	args := []string{"-n", "-2", "-r", file, "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE",
		"-d", "tcp.port==1-65535,data", // TCP alone
		"-Y", "tcp && _ws.expert", "-T", "fields", "-E", "aggregator=|", "-e", "_ws.expert.severity", "-e", "_ws.expert.message"}
	cmd := exec.Command("tshark", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tshark: %v: %s", err, &stderr)
	}
	var codes []string
	for l := range strings.Lines(string(out)) {
		severity, messages, _ := strings.Cut(strings.TrimSpace(l), "\t")
		levels := strings.Split(severity, "|")
		for i, m := range strings.Split(messages, "|") {
			if strings.HasPrefix(m, onesComplement) {
				continue
			}
			level := levels[min(i, len(levels)-1)]
			if name, ok := expertLevels[level]; ok {
				level = name
			}
			if level == "Comment" { // the capture's own: why a stack of ours lost a packet
				continue
			}
			codes = append(codes, level+": "+expertNumber.ReplaceAllString(m, "N"))
		}
	}
	slices.Sort(codes)
	codes = slices.Compact(codes)
	if len(codes) == 0 {
		ns.Missing(t, "tshark has nothing to say, not even that connections were made")
	}
	return codes
}
