package filter

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/bpf"

	"github.com/seed88948545/vimage/link/pcapng"
)

var update = flag.Bool("update", false, "rewrite testdata/verdicts.txt with what tcpdump says")

// goldenFrames are the frames of the captures in testdata; those of made.pcap
// were chosen by chooseFrames.
func goldenFrames(t testing.TB) (frames [][]byte) {
	t.Helper()
	files, err := filepath.Glob("testdata/*.pcap")
	if err != nil || len(files) == 0 {
		t.Fatal("there are no captures", err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		r := pcapng.NewReader(bytes.NewReader(b))
		for {
			var f pcapng.Frame
			if err := r.Next(&f); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(name, err)
			}
			frames = append(frames, slices.Clone(f.Data))
		}
	}
	return frames
}

const verdictsFile = "testdata/verdicts.txt"

// The verdicts that tcpdump's programs gave of every expression of the list, a
// bit a frame, are those of ours: run by bpf.VM, and by Match.
func TestVerdicts(t *testing.T) {
	if *update {
		chooseFrames(t)
		writeVerdicts(t, goldenFrames(t))
	}
	frames := goldenFrames(t)
	text, err := os.ReadFile(verdictsFile)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, _ := strings.Cut(string(text), "\n")
	if want := describe(frames); head != want {
		t.Fatalf("the verdicts are for other frames (%s, these are %s): run with -update where tcpdump is", head, want)
	}
	list := expressions(t)
	if len(list) < 300 {
		t.Errorf("%d expressions, want 300", len(list))
	}
	for line := range strings.Lines(rest) {
		bits, expr, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if len(list) == 0 || expr != list[0] {
			t.Fatalf("%q is not the next of the list: run with -update where tcpdump is", expr)
		}
		list = list[1:]
		p, err := Compile(expr, Ethernet, 0)
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			continue
		}
		match := func(f []byte) bool { return p.Match(f, len(f)) > 0 }
		if got := bitmap(frames, match); got != bits {
			t.Errorf("%s:\ntcpdump %s\nMatch   %s", expr, bits, got)
		}
		if got := bitmap(frames, machineOf(t, p.Instructions())); got != bits {
			t.Errorf("%s:\ntcpdump %s\nbpf.VM  %s", expr, bits, got)
		}
	}
	if len(list) > 0 {
		t.Errorf("no verdicts for %q and what follows", list[0])
	}
}

func describe(frames [][]byte) string {
	h := crc32.NewIEEE()
	for _, f := range frames {
		fmt.Fprintf(h, "%x\n", f)
	}
	return fmt.Sprintf("# %d frames, crc32 %08x", len(frames), h.Sum32())
}

func bitmap(frames [][]byte, match func([]byte) bool) string {
	bits := make([]byte, (len(frames)+7)/8)
	for i, f := range frames {
		if match(f) {
			bits[i/8] |= 0x80 >> (i % 8)
		}
	}
	return hex.EncodeToString(bits)
}

func writeVerdicts(t *testing.T, frames [][]byte) {
	t.Helper()
	o := newOracle(t, Ethernet)
	out := bytes.NewBufferString(describe(frames) + "\n")
	for _, expr := range expressions(t) {
		prog, ok := o.compile(t, expr)
		if !ok {
			t.Fatalf("tcpdump refuses %q", expr)
		}
		bits := bitmap(frames, machineOf(t, prog))
		if strings.Trim(bits, "0") == "" {
			t.Logf("no frame for %s", expr)
		}
		fmt.Fprintln(out, bits, expr)
	}
	if err := os.WriteFile(verdictsFile, out.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
}

// chooseFrames makes frames until every expression of the list accepts three and
// rejects three of those kept, or no more such frames come. It leaves out those
// of which tcpdump says one thing with its optimizer and another without: they
// end before what the expression asks for.
func chooseFrames(t *testing.T) {
	t.Helper()
	o := newOracle(t, Ethernet)
	list := expressions(t)
	progs, plain := make([][]bpf.Instruction, len(list)), make([][]bpf.Instruction, len(list))
	for i, expr := range list {
		prog, ok := o.compile(t, expr)
		if !ok {
			t.Fatalf("tcpdump refuses %q", expr)
		}
		progs[i] = prog
		plain[i], _ = o.compile(t, expr, "-O")
	}
	counts := make([][2]int, len(list))
	out := fileHead(Ethernet)
	for _, f := range madeFrames(11, 20000) {
		verdicts, wanted := make([]int, len(list)), false
		for i, prog := range progs {
			v := simulate(prog, f, -1)
			if v != simulate(plain[i], f, -1) && agreeBeyond(prog, plain[i], f) {
				wanted = false
				break
			}
			if v {
				verdicts[i] = 1
			}
			wanted = wanted || counts[i][verdicts[i]] < 3
		}
		if !wanted {
			continue
		}
		for i, v := range verdicts {
			counts[i][v]++
		}
		for _, n := range []int{0, 0, len(f), len(f)} {
			out = binary.LittleEndian.AppendUint32(out, uint32(n))
		}
		out = append(out, f...)
	}
	if err := os.WriteFile("testdata/made.pcap", out, 0o666); err != nil {
		t.Fatal(err)
	}
}
