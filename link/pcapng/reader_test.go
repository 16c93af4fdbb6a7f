package pcapng

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// readAll is every frame as text, and the error that ended it.
func readAll(b []byte) (string, error) {
	var s strings.Builder
	r := NewReader(bytes.NewReader(b))
	var f Frame
	for {
		if err := r.Next(&f); err != nil {
			if err == io.EOF {
				err = nil
			}
			return s.String(), err
		}
		fmt.Fprintf(&s, "%d %d %q %d %d %q", f.Time, f.Interface, f.Name, f.LinkType, f.Len, f.Data)
		s.WriteString([...]string{"", " in ", " out "}[f.Dir] + f.Comment + "\n")
	}
}

// TestReaderReadsWhatWriterWrites also covers every place where a file may end.
func TestReaderReadsWhatWriterWrites(t *testing.T) {
	var buf bytes.Buffer
	w := NewWriter(&buf, Section{Comment: "c"})
	a := w.AddInterface(Interface{Name: "a"})
	b := w.AddInterface(Interface{Name: "b", LinkType: 101, SnapLen: 3})
	w.WritePacket(b, Packet{Time: 5}, []byte("longer"))
	w.WritePacket(a, Packet{Time: 1<<40 + 1, Dir: In, Comment: "no"}, []byte("x"))
	w.Close()
	const want = "5 1 \"b\" 101 6 \"lon\"\n1099511627777 0 \"a\" 1 1 \"x\" in no\n"
	whole := buf.Bytes()
	if got, err := readAll(whole); got != want || err != nil {
		t.Errorf("%v, read\n%s, want\n%s", err, got, want)
	}
	blocks, err := split(whole)
	if err != nil {
		t.Fatal(err)
	}
	ends, at := map[int]bool{0: true}, 0
	for _, b := range blocks {
		at += len(b)
		ends[at] = true
	}
	for n := range whole {
		_, err := readAll(whole[:n])
		if (err == nil) != ends[n] || err != nil && err != io.ErrUnexpectedEOF {
			t.Errorf("%d of %d bytes: %v", n, len(whole), err)
		}
	}
}

// classic is a pcap file of one packet.
func classic(o binary.AppendByteOrder, magic, part uint32) []byte {
	b := o.AppendUint32(nil, magic)
	b = o.AppendUint16(o.AppendUint16(b, 2), 4)
	for _, v := range []uint32{0, 0, 65535, 1, 7, part, 3, 60} {
		b = o.AppendUint32(b, v)
	}
	return append(b, "abc"...)
}

func TestReaderClassic(t *testing.T) {
	for _, tc := range []struct {
		b    []byte
		want int64
	}{
		{classic(binary.LittleEndian, magicMicro, 9), 7e9 + 9000},
		{classic(binary.BigEndian, magicMicro, 9), 7e9 + 9000},
		{classic(binary.LittleEndian, magicNano, 9), 7e9 + 9},
		{classic(binary.BigEndian, magicNano, 9), 7e9 + 9},
	} {
		want := fmt.Sprintf("%d 0 \"\" 1 60 \"abc\"\n", tc.want)
		if got, err := readAll(tc.b); got != want || err != nil {
			t.Errorf("%x: %v, read %s, want %s", tc.b[:4], err, got, want)
		}
		if _, err := readAll(tc.b[:len(tc.b)-1]); err != io.ErrUnexpectedEOF {
			t.Errorf("%x, cut: %v", tc.b[:4], err)
		}
	}
}

// bigBlock is a block as a big-endian machine writes it.
func bigBlock(typ uint32, body []byte) []byte {
	o := binary.BigEndian
	n := uint32(len(body) + 12)
	return o.AppendUint32(append(o.AppendUint32(o.AppendUint32(nil, typ), n), body...), n)
}

// TestReaderBigEndian has all that our Writer never writes: the other order, two
// sections, an interface without options, the three kinds of packet block.
func TestReaderBigEndian(t *testing.T) {
	words := func(v ...uint32) (b []byte) {
		for _, w := range v {
			b = binary.BigEndian.AppendUint32(b, w)
		}
		return b
	}
	section := bigBlock(blockSection, words(byteOrderMagic, 1<<16, 0xffffffff, 0xffffffff))
	micro := bigBlock(blockInterface, words(1<<16, 2))                                           // snap length 2
	halves := bigBlock(blockInterface, append(words(101<<16, 0, 9<<16|1, 0x81<<24), 0, 0, 0, 0)) // 2^-1 s
	file := bytes.Join([][]byte{
		section, micro, halves,
		bigBlock(blockPacket, append(words(0, 0, 3, 4, 4), "four"...)),
		bigBlock(blockOldPacket, append(words(1<<16|9, 0, 3, 1, 8), "o\x00\x00\x00"...)),
		bigBlock(blockSimplePacket, append(words(4), "simp"...)),
		bigBlock(99, nil), // unknown: passed over
		section, halves,
		bigBlock(blockPacket, append(words(0, 0, 4, 1, 1), "s\x00\x00\x00"...)),
	}, nil)
	const want = "3000 0 \"\" 1 4 \"four\"\n1500000000 1 \"\" 101 8 \"o\"\n0 0 \"\" 1 4 \"si\"\n2000000000 0 \"\" 101 1 \"s\"\n"
	if got, err := readAll(file); got != want || err != nil {
		t.Errorf("%v, read\n%s, want\n%s", err, got, want)
	}
}

func TestReaderRefuses(t *testing.T) {
	le := binary.LittleEndian
	var good bytes.Buffer
	w := NewWriter(&good, Section{})
	w.AddInterface(Interface{})
	w.Flush()
	after := func(typ, n uint32, body ...byte) []byte {
		b := le.AppendUint32(le.AppendUint32(bytes.Clone(good.Bytes()), typ), n)
		return le.AppendUint32(append(b, body...), n)
	}
	huge := classic(le, magicMicro, 0)
	le.PutUint32(huge[32:], MaxBlock+1)
	for name, b := range map[string][]byte{
		"text":             []byte("hello, world"),
		"no order":         bigBlock(blockSection, make([]byte, 16)),
		"length 8":         after(6, 8),
		"odd length":       after(6, 13, 0),
		"huge block":       after(6, MaxBlock+4),
		"lengths differ":   append(after(99, 16, 0, 0, 0, 0)[:good.Len()+12], 1, 0, 0, 0),
		"short packet":     after(6, 28, make([]byte, 16)...),
		"no interface":     after(6, 32, append([]byte{1}, make([]byte, 19)...)...),
		"data too long":    after(6, 32, append(make([]byte, 12), 1, 0, 0, 0, 1, 0, 0, 0)...),
		"short interface":  after(1, 16, 0, 0, 0, 0),
		"option past end":  after(1, 24, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 9, 0),
		"huge old packet":  huge,
		"simple, too soon": bigBlock(blockSection, []byte{0x1a, 0x2b, 0x3c, 0x4d, 0, 1, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255}),
	} {
		if name == "simple, too soon" {
			b = append(b, bigBlock(blockSimplePacket, make([]byte, 4))...)
		}
		if _, err := readAll(b); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
	many := bytes.Clone(good.Bytes())
	for range MaxInterfaces {
		many = append(many, after(1, 20, make([]byte, 8)...)[good.Len():]...)
	}
	if _, err := readAll(many); !errors.Is(err, ErrFormat) {
		t.Errorf("too many interfaces: %v", err)
	}
}

// growing gives what it has so far.
type growing struct{ bytes.Buffer }

// TestReaderGoesOn reads a capture that is still being written.
func TestReaderGoesOn(t *testing.T) {
	var g growing
	w := NewWriter(&g, Section{})
	id := w.AddInterface(Interface{})
	r := NewReader(&g)
	var f Frame
	for i := range 3 {
		if err := r.Next(&f); err != io.EOF {
			t.Fatalf("before packet %d: %v", i, err)
		}
		w.WritePacket(id, Packet{Time: int64(i)}, []byte{byte(i)})
		w.Flush()
		if err := r.Next(&f); err != nil || f.Time != int64(i) {
			t.Fatalf("packet %d: %v %v", i, f, err)
		}
	}
}

func FuzzReader(f *testing.F) {
	files, err := filepath.Glob("testdata/read/*")
	if err != nil || len(files) == 0 {
		f.Fatalf("%v: no captures", err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	var buf bytes.Buffer
	if err := capture(&buf); err != nil {
		f.Fatal(err)
	}
	f.Add(buf.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewReader(bytes.NewReader(b))
		var fr Frame
		for total := 0; ; {
			if err := r.Next(&fr); err != nil {
				if err != io.EOF && err != io.ErrUnexpectedEOF && !errors.Is(err, ErrFormat) {
					t.Fatal(err)
				}
				return
			}
			if total += len(fr.Data); total > len(b) || len(fr.Data) > max(fr.Len, 0) {
				t.Fatalf("%d bytes of data out of %d, a packet of %d has %d", total, len(b), fr.Len, len(fr.Data))
			}
		}
	})
}
