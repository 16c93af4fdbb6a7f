package pcapng

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// memory is a ring of files that stay in memory.
type memory struct {
	files  []*bytes.Buffer
	closed int
	refuse int // the file that cannot be opened
}

var errNoFile = errors.New("no file")

func (m *memory) open(n int) (io.WriteCloser, error) {
	if n == m.refuse {
		return nil, errNoFile
	}
	if n != len(m.files)+1 || m.closed != len(m.files) {
		return nil, fmt.Errorf("file %d is opened after %d, of which %d are closed", n, len(m.files), m.closed)
	}
	m.files = append(m.files, new(bytes.Buffer))
	return memoryFile{m, m.files[n-1]}, nil
}

type memoryFile struct {
	m *memory
	*bytes.Buffer
}

func (f memoryFile) Close() error { f.m.closed++; return nil }

// read returns the packets of all files; each must be complete in itself.
func (m *memory) read(t *testing.T) (list []Frame) {
	t.Helper()
	for _, f := range m.files {
		r := NewReader(bytes.NewReader(f.Bytes()))
		for {
			var p Frame
			if err := r.Next(&p); err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			p.Data = slices.Clone(p.Data)
			list = append(list, p)
		}
	}
	return list
}

// No file is longer than it may be; together they have every packet once, in
// order, and each has the interfaces under the same numbers.
func TestRingBytes(t *testing.T) {
	m := &memory{}
	c := NewRing(Ring{Bytes: 4096, Open: m.open}, Section{Application: "vimage"})
	a := c.AddInterface(Interface{Name: "a"})
	b := -1
	for i := range 300 {
		if i == 100 {
			b = c.AddInterface(Interface{Name: "b", SnapLen: 20, Filter: "tcp"})
		}
		id := a
		if b >= 0 && i%3 == 0 {
			id = b
		}
		c.WritePacket(id, Packet{Time: int64(i), Dir: In, Comment: strings.Repeat("c", i%50)}, bytes.Repeat([]byte{byte(i)}, i%200))
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if len(m.files) < 10 || m.closed != len(m.files) {
		t.Errorf("%d files, %d closed", len(m.files), m.closed)
	}
	for i, f := range m.files {
		if f.Len() > 4096 || f.Len() < 3000 && i < len(m.files)-1 {
			t.Errorf("file %d has %d bytes", i+1, f.Len())
		}
	}
	all := m.read(t)
	if len(all) != 300 {
		t.Fatalf("%d packets", len(all))
	}
	for i, p := range all {
		if name := map[bool]string{true: "b", false: "a"}[i >= 100 && i%3 == 0]; p.Time != int64(i) || p.Name != name || p.Len != i%200 {
			t.Errorf("packet %d: %+v", i, p)
		}
	}
}

// A file that its first packet makes too long has that packet only.
func TestRingLongPacket(t *testing.T) {
	m := &memory{}
	c := NewRing(Ring{Bytes: 1000, Open: m.open}, Section{})
	id := c.AddInterface(Interface{})
	for range 3 {
		c.WritePacket(id, Packet{}, make([]byte, 5000))
	}
	if err := c.Close(); err != nil || len(m.files) != 3 || len(m.read(t)) != 3 {
		t.Errorf("%v, %d files, %d packets", err, len(m.files), len(m.read(t)))
	}
}

// Time is that of the packets, so that the same packets make the same files.
func TestRingSpan(t *testing.T) {
	m := &memory{}
	c := NewRing(Ring{Span: time.Second, Open: m.open}, Section{})
	id := c.AddInterface(Interface{})
	const start = int64(1_700_000_000_000_000_000)
	for _, at := range []float64{0, 0.5, 1, 1.1, 0.2, 2.1, 2.2, 9} {
		c.WritePacket(id, Packet{Time: start + int64(at*1e9)}, nil)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	var counts []int
	for _, f := range m.files {
		counts = append(counts, len((&memory{files: []*bytes.Buffer{f}}).read(t)))
	}
	if !slices.Equal(counts, []int{3, 3, 1, 1}) {
		t.Errorf("packets a file: %v", counts)
	}
}

func TestRingErrors(t *testing.T) {
	m := &memory{refuse: 2}
	c := NewRing(Ring{Bytes: 300, Open: m.open}, Section{})
	id := c.AddInterface(Interface{})
	for range 5 {
		c.WritePacket(id, Packet{}, make([]byte, 100))
	}
	if err := c.Close(); !errors.Is(err, errNoFile) || m.closed != 1 || len(m.read(t)) != 1 {
		t.Errorf("%v, %d files closed, %d packets", err, m.closed, len(m.read(t)))
	}
	c = NewRing(Ring{Open: (&memory{refuse: 1}).open}, Section{})
	c.WritePacket(c.AddInterface(Interface{}), Packet{}, nil)
	if err := c.Close(); !errors.Is(err, errNoFile) {
		t.Error(err)
	}
}

// Only the last files are kept, and tshark reads each: the interfaces with their
// filter, what was lost, dropped and refused.
func TestRingFilesInTshark(t *testing.T) {
	dir := t.TempDir()
	c := NewRing(Ring{Bytes: 2000, Open: Files(filepath.Join(dir, "cap.pcapng"), 3)}, Section{Application: "vimage"})
	a := c.AddInterface(Interface{Name: "h1:eth0", Description: "to h2", Filter: "tcp port 80", SnapLen: 64})
	b := c.AddInterface(Interface{Name: "h2:eth0"})
	frame := append(bytes.Repeat([]byte{2}, 12), 0x88, 0xb5)
	for i := range 60 {
		p := Packet{Time: int64(i) * 1e9, Dir: In, Len: 100}
		if i%10 == 0 {
			c.Lost(a, 2)
			p.Dir, p.Comment = Unknown, "drop: no route"
		}
		c.Rejected(a, 3)
		c.WritePacket([]int{a, b}[i%2], p, append(frame, make([]byte, 60)...))
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 3 {
		t.Fatalf("%v, %v", files, err)
	}
	number := 0
	if _, err := fmt.Sscanf(filepath.Base(files[2]), "cap_%d.pcapng", &number); err != nil || number < 4 {
		t.Errorf("the last file is %s", files[2])
	}
	if n := statistic(t, files[2], isbAccepted); n != 30+12 {
		t.Errorf("the filter accepted %d", n)
	}
	if n := statistic(t, files[2], isbIfRecv); n != 30+12+180 {
		t.Errorf("the interface received %d", n)
	}
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("CI has tshark")
		}
		t.Skip("needs tshark to read with")
	}
	left := len(readFiles(t, files))
	total := 0
	for _, f := range files {
		cmd := exec.Command(tshark, "-n", "-r", f, "-T", "fields", "-E", "separator=;", "-e", "frame.interface_name", "-e", "frame.time_epoch",
			"-e", "frame.cap_len", "-e", "frame.packet_flags_direction", "-e", "frame.comment")
		cmd.Env = append(os.Environ(), "TZ=UTC", "LC_ALL=C", "HOME="+dir)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		for line := range strings.Lines(string(out)) {
			total++
			i := 60 - left + total - 1
			name, kept, dir, why := [2]string{"h1:eth0", "h2:eth0"}[i%2], [2]int{64, 74}[i%2], "0x00000001", ""
			if i%10 == 0 {
				dir, why = "", "drop: no route"
			}
			if want := fmt.Sprintf("%s;%d.000000000;%d;%s;%s\n", name, i, kept, dir, why); line != want {
				t.Errorf("%s: %q, want %q", f, line, want)
			}
		}
	}
	if total < 10 {
		t.Errorf("tshark read %d packets", total)
	}
}

// readFiles returns the packets of files.
func readFiles(t *testing.T, files []string) []Frame {
	t.Helper()
	m := &memory{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		m.files = append(m.files, bytes.NewBuffer(b))
	}
	return m.read(t)
}

// statistic returns an option of a file's first statistics block.
func statistic(t *testing.T, file string, option uint16) uint64 {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := split(b)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range blocks {
		if binary.LittleEndian.Uint32(b) != blockStatistics {
			continue
		}
		for o := b[20 : len(b)-4]; len(o) >= 4; {
			code, n := binary.LittleEndian.Uint16(o), int(binary.LittleEndian.Uint16(o[2:]))
			if code == option {
				return binary.LittleEndian.Uint64(o[4:])
			}
			o = o[4+padded(n):]
		}
	}
	t.Fatalf("%s has no statistic %d", file, option)
	return 0
}
