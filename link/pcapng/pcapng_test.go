package pcapng

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
)

var update = flag.Bool("update", false, "rewrite testdata")

// capture makes a file in which everything the package can write occurs.
func capture(w io.Writer) error {
	c := NewWriter(w, Section{Application: "vimage", Comment: "all there is", Hardware: "none", OS: "any"})
	a := c.AddInterface(Interface{
		Name: "r1:eth0", Description: "to h1", Comment: "odd",
		MAC:   net.HardwareAddr{2, 0, 0, 0, 0, 1},
		Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/20"), netip.MustParsePrefix("fe80::1/64"), {}},
	})
	b := c.AddInterface(Interface{LinkType: 101, SnapLen: 6})
	c.AddInterface(Interface{Name: "silent"})
	data := []byte("0123456789abcdef")
	c.WritePacket(a, Packet{Time: 1_700_000_000_123_456_789}, data)
	c.WritePacket(a, Packet{Time: 1_700_000_000_000_000_000, Dir: In, Comment: "drop: no route"}, data[:13])
	c.WritePacket(b, Packet{Time: -5, Dir: Out}, data)
	c.Lost(b, 2)
	c.Lost(b, 3)
	c.WritePacket(b, Packet{Time: 7, Len: 9000}, data[:3])
	c.WritePacket(b, Packet{Time: 3}, nil)
	c.Lost(b, 4)
	return c.Close()
}

// TestGolden compares every byte. The dump is laid out one block a paragraph.
func TestGolden(t *testing.T) {
	var buf bytes.Buffer
	if err := capture(&buf); err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	blocks, err := split(buf.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range blocks {
		got.WriteString(hex.Dump(b) + "\n")
	}
	const file = "testdata/golden.txt"
	if *update {
		if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("the capture is\n%s", got.String())
	}
}

// TestPacketBlockSection43 spells one packet block out, field by field.
func TestPacketBlockSection43(t *testing.T) {
	var buf bytes.Buffer
	c := NewWriter(&buf, Section{})
	id := c.AddInterface(Interface{SnapLen: 5})
	c.Flush()
	before := buf.Len()
	c.Lost(id, 0x0102)
	c.WritePacket(id, Packet{Time: 0x1122334455667788, Dir: Out, Comment: "ttl"}, []byte("sevenby"))
	c.Flush()
	want := "06000000" + "48000000" + // type, length
		"00000000" + "44332211" + "88776655" + // interface, time
		"05000000" + "07000000" + // captured, original
		"736576656e" + "000000" +
		"01000300" + "74746c" + "00" + // comment
		"02000400" + "02000000" + // flags: outbound
		"04000800" + "0201000000000000" + // drop count
		"00000000" + "48000000"
	if got := hex.EncodeToString(buf.Bytes()[before:]); got != want {
		t.Errorf("the block is\n%s, want\n%s", got, want)
	}
}

// split cuts a capture into its blocks and checks their framing.
func split(b []byte) (blocks [][]byte, err error) {
	for len(b) > 0 {
		if len(b) < 12 {
			return nil, fmt.Errorf("%d bytes left", len(b))
		}
		n := int(binary.LittleEndian.Uint32(b[4:8]))
		if n < 12 || n&3 != 0 || n > len(b) {
			return nil, fmt.Errorf("block of %d bytes, %d left", n, len(b))
		}
		if end := int(binary.LittleEndian.Uint32(b[n-4 : n])); end != n {
			return nil, fmt.Errorf("block of %d bytes ends with length %d", n, end)
		}
		blocks = append(blocks, b[:n])
		b = b[n:]
	}
	return blocks, nil
}

// options walks a list of options to its end.
func options(b []byte) (map[uint16][]byte, error) {
	opts := map[uint16][]byte{}
	for len(b) >= 4 {
		code, n := binary.LittleEndian.Uint16(b), int(binary.LittleEndian.Uint16(b[2:]))
		b = b[4:]
		if code == optEnd {
			if n != 0 || len(b) != 0 {
				return nil, fmt.Errorf("end of options: length %d, %d bytes after it", n, len(b))
			}
			return opts, nil
		}
		if padded(n) > len(b) {
			return nil, fmt.Errorf("option %d of %d bytes, %d left", code, n, len(b))
		}
		opts[code] = b[:n]
		b = b[padded(n):]
	}
	if len(b) != 0 || len(opts) != 0 {
		return nil, fmt.Errorf("options without end, %d bytes left", len(b))
	}
	return opts, nil
}

// TestRandomPackets writes packets of all lengths and reads them back.
func TestRandomPackets(t *testing.T) {
	rnd := rand.New(rand.NewSource(1))
	type sent struct {
		id   int
		p    Packet
		data []byte
		lost uint64
	}
	var all []sent
	var buf bytes.Buffer
	c := NewWriter(&buf, Section{})
	snap := [...]int{0, 64, 1}
	for _, s := range snap {
		c.AddInterface(Interface{SnapLen: s})
	}
	for range 2000 {
		s := sent{id: rnd.Intn(len(snap)), p: Packet{Time: rnd.Int63(), Dir: Direction(rnd.Intn(3)), Comment: strings.Repeat("é", rnd.Intn(5))}}
		s.data = make([]byte, rnd.Intn(200))
		rnd.Read(s.data)
		if rnd.Intn(4) == 0 {
			s.lost = uint64(rnd.Intn(9))
		}
		c.Lost(s.id, s.lost)
		c.WritePacket(s.id, s.p, s.data)
		all = append(all, s)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	blocks, err := split(buf.Bytes())
	if err != nil || len(blocks) != 1+2*len(snap)+len(all) {
		t.Fatalf("%d blocks, %v", len(blocks), err)
	}
	for i, s := range all {
		b := blocks[1+len(snap)+i]
		le := binary.LittleEndian.Uint32
		n := int(le(b[20:]))
		want := s.data
		if snap[s.id] > 0 {
			want = want[:min(len(want), snap[s.id])]
		}
		at := int64(le(b[12:]))<<32 | int64(le(b[16:]))
		if le(b) != blockPacket || int(le(b[8:])) != s.id || at != s.p.Time || int(le(b[24:])) != len(s.data) || !bytes.Equal(b[28:28+n], want) {
			t.Fatalf("packet %d of %+v is\n%s", i, s, hex.Dump(b))
		}
		opts, err := options(b[28+padded(n) : len(b)-4])
		if err != nil {
			t.Fatalf("packet %d: %v", i, err)
		}
		if string(opts[optComment]) != s.p.Comment || (opts[epbFlags] != nil) != (s.p.Dir != Unknown) || (opts[epbDropCount] != nil) != (s.lost > 0) {
			t.Fatalf("packet %d of %+v has options %v", i, s, opts)
		}
	}
}

// TestLongText checks that a comment too long for an option is cut between
// characters.
func TestLongText(t *testing.T) {
	var buf bytes.Buffer
	c := NewWriter(&buf, Section{Comment: "x" + strings.Repeat("€", 30000)})
	c.Close()
	blocks, err := split(buf.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	opts, err := options(blocks[0][24 : len(blocks[0])-4])
	if err != nil {
		t.Fatal(err)
	}
	if got := string(opts[optComment]); got != "x"+strings.Repeat("€", 21844) {
		t.Errorf("%d bytes, the last %x", len(got), got[len(got)-4:])
	}
	if got := len(cut(strings.Repeat("\x80", 70000), maxOption)); got < 65000 {
		t.Errorf("text that is no UTF-8 is cut to %d bytes", got)
	}
}

type failing struct{ room int }

var errFull = errors.New("disk full")

func (f *failing) Write(b []byte) (int, error) {
	if f.room -= len(b); f.room < 0 {
		return 0, errFull
	}
	return len(b), nil
}

func TestErrorStays(t *testing.T) {
	f := &failing{room: bufferSize}
	c := NewWriter(f, Section{})
	id := c.AddInterface(Interface{})
	if c.Err() != nil {
		t.Fatal(c.Err())
	}
	for range 5 {
		c.WritePacket(id, Packet{}, make([]byte, bufferSize/2))
	}
	f.room = 1 << 30
	for name, err := range map[string]error{"Flush": c.Flush(), "Close": c.Close(), "Close again": c.Close(), "Err": c.Err()} {
		if !errors.Is(err, errFull) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if f.room != 1<<30 {
		t.Error("written to after the error")
	}
}

func TestNoSuchInterface(t *testing.T) {
	c := NewWriter(io.Discard, Section{})
	c.WritePacket(0, Packet{}, nil)
	if err := c.Close(); err == nil || err.Error() != "pcapng: there is no interface 0, the capture has 0" {
		t.Error(err)
	}
}

func TestAfterClose(t *testing.T) {
	var buf bytes.Buffer
	c := NewWriter(&buf, Section{})
	id := c.AddInterface(Interface{})
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	n := buf.Len()
	c.WritePacket(id, Packet{}, []byte("late"))
	c.Lost(id, 1)
	c.AddInterface(Interface{})
	if err := errors.Join(c.Flush(), c.Close(), c.Err()); err != nil || buf.Len() != n {
		t.Errorf("%v, %d bytes more", err, buf.Len()-n)
	}
}

func TestSameBytes(t *testing.T) {
	var a, b bytes.Buffer
	if err := errors.Join(capture(&a), capture(&b)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("the same calls made other bytes")
	}
}

func TestConcurrent(t *testing.T) {
	var buf bytes.Buffer
	c := NewWriter(&buf, Section{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			id := c.AddInterface(Interface{})
			for i := range 500 {
				c.WritePacket(id, Packet{Time: int64(i), Comment: "c"}, make([]byte, i))
			}
		})
	}
	wg.Wait()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	blocks, err := split(buf.Bytes())
	if err != nil || len(blocks) != 1+4+4*500+4 {
		t.Fatalf("%d blocks, %v", len(blocks), err)
	}
	next := map[uint32]uint32{}
	for _, b := range blocks {
		if binary.LittleEndian.Uint32(b) != blockPacket {
			continue
		}
		id, at := binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint32(b[16:])
		if at != next[id] {
			t.Fatalf("interface %d: packet %d where %d is due", id, at, next[id])
		}
		next[id]++
	}
}

func TestNoAllocation(t *testing.T) {
	c := NewWriter(io.Discard, Section{})
	id := c.AddInterface(Interface{SnapLen: 1000})
	data := make([]byte, 1514)
	n := testing.AllocsPerRun(1000, func() {
		c.Lost(id, 1)
		c.WritePacket(id, Packet{Time: 1, Dir: In, Comment: "drop: no route to host"}, data)
	})
	if n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}

func BenchmarkWritePacket(b *testing.B) {
	c := NewWriter(io.Discard, Section{})
	id := c.AddInterface(Interface{})
	data := make([]byte, 1514)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		c.WritePacket(id, Packet{Time: 1, Dir: In}, data)
	}
}
