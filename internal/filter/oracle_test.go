package filter

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/bpf"
)

// oracle asks the tcpdump of this machine what it makes of an expression.
type oracle struct{ file string }

// newOracle skips the test where there is no tcpdump, but for CI.
func newOracle(t testing.TB, link LinkType) *oracle {
	t.Helper()
	if _, err := exec.LookPath("tcpdump"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("CI has tcpdump")
		}
		t.Skip("needs tcpdump to compare with")
	}
	o := &oracle{filepath.Join(t.TempDir(), "empty.pcap")}
	if err := os.WriteFile(o.file, fileHead(link), 0o600); err != nil {
		t.Fatal(err)
	}
	return o
}

// fileHead is how a capture file begins.
func fileHead(link LinkType) []byte {
	head := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
	head = binary.LittleEndian.AppendUint16(head, 2)
	head = binary.LittleEndian.AppendUint16(head, 4)
	for _, v := range []uint32{0, 0, DefaultSnaplen, uint32(link)} {
		head = binary.LittleEndian.AppendUint32(head, v)
	}
	return head
}

// compile returns tcpdump's program; ok is false if it refuses the expression.
func (o *oracle) compile(t testing.TB, expr string, options ...string) (prog []bpf.Instruction, ok bool) {
	t.Helper()
	var errs bytes.Buffer
	cmd := exec.Command("tcpdump", append(options, "-ddd", "-r", o.file, "--", expr)...)
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		if strings.Contains(errs.String(), "expression rejects all packets") {
			return []bpf.Instruction{bpf.RetConstant{}}, true
		}
		return nil, false
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	var raw []bpf.RawInstruction
	for _, line := range lines[1:] {
		var r bpf.RawInstruction
		if _, err := fmt.Sscan(line, &r.Op, &r.Jt, &r.Jf, &r.K); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		raw = append(raw, r)
	}
	prog, _ = bpf.Disassemble(raw)
	return prog, true
}

// machineOf returns a program's verdict of a frame, by the machine of
// golang.org/x/net/bpf. Programs that this does not run as on other computers run
// on the one of these tests.
func machineOf(t testing.TB, prog []bpf.Instruction) func(frame []byte) bool {
	t.Helper()
	if slices.ContainsFunc(prog, isOdd) {
		return func(frame []byte) bool { return simulate(prog, frame, -1) }
	}
	vm, err := bpf.NewVM(prog)
	if err != nil {
		t.Fatal(err)
	}
	return func(frame []byte) bool {
		n, err := vm.Run(frame)
		if err != nil {
			t.Fatal(err)
		}
		return n > 0
	}
}

// isOdd tells whether the machine lacks an instruction or, where an int has 32
// bits, reckons a place before the frame from it.
func isOdd(ins bpf.Instruction) bool {
	switch ins := ins.(type) {
	case bpf.NegateA:
		return true
	case bpf.LoadIndirect:
		return strconv.IntSize == 32 && ins.Off>>31 == 1
	}
	return false
}
