package command

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"
)

// saver writes a stream of pcapng to a file, to several as tcpdump does, or to the
// standard output. It cuts between blocks and writes these as they are: a file begins
// with the section and the interfaces. The last one ends with the lab's statistics, one
// that another follows with what the packets so far have told.
type saver struct {
	e     *Env
	quiet bool

	name  string // "": the standard output
	size  int64  // -C, in bytes; 0: any
	span  int64  // -G, in nanoseconds; 0: any
	files int    // -W; 0: any

	head    []byte
	out     *os.File
	written int64 // to out
	began   int64 // time of its first packet, nanoseconds since 1970; 0: it has none
	first   int64 // time that its name is about
	turns   int   // files begun because of -C since the name's time changed
	all     int   // files begun

	ifs []tally // of the section, by number

	packets, bytes, lost uint64
	said                 int64             // when it was last told how many
	missing              map[uint32]uint64 // by interface, as the statistics say
}

// tally is what is known of an interface.
type tally struct {
	packets, lost uint64
	last          [8]byte // time of its last packet, as a block has it
}

// errEnough is the end of a capture of which no more is wanted.
var errEnough = errors.New("there are as many files as were wanted")

func newSaver(e *Env, o *Opts) (*saver, error) {
	s := &saver{e: e, quiet: o.Has("-q"), missing: make(map[uint32]uint64)}
	if s.name = o.Value("-w"); s.name == "-" {
		s.name = ""
	}
	numbers := make(map[string]int)
	for _, name := range []string{"-C", "-G", "-W"} {
		if !o.Has(name) {
			continue
		}
		n, err := captureNumber(o, name)
		switch {
		case err != nil:
			return nil, err
		case n == 0 || n > math.MaxInt32:
			return nil, fmt.Errorf("%s: %d cannot be", name, n)
		case s.name == "":
			return nil, fmt.Errorf("%s needs -w and the name of a file", name)
		}
		numbers[name] = n
	}
	s.size, s.span, s.files = int64(numbers["-C"])*1e6, int64(numbers["-G"])*1e9, numbers["-W"]
	if s.files > 0 && s.size == 0 && s.span == 0 {
		return nil, errors.New("-W needs -C or -G")
	}
	return s, nil
}

// save reads the stream to its end.
func (s *saver) save(stream io.Reader) (err error) {
	defer func() {
		if s.out != nil {
			err = errors.Join(err, s.out.Close())
		}
	}()
	in := bufio.NewReaderSize(stream, 1<<16)
	var b []byte
	for {
		if in.Buffered() == 0 {
			if err := s.e.Out.Flush(); err != nil {
				return err
			}
		}
		if b, err = readBlock(in, b); err == io.EOF {
			return nil
		}
		if err == nil {
			err = s.block(b)
		}
		if err == errEnough {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// maxCaptureBlock is more than a lab writes.
const maxCaptureBlock = 1 << 24

// readBlock reads a block of pcapng, in b where that has room.
func readBlock(in *bufio.Reader, b []byte) ([]byte, error) {
	head, err := in.Peek(8)
	if err != nil {
		if len(head) > 0 {
			return b, io.ErrUnexpectedEOF
		}
		return b, err
	}
	n := int(binary.LittleEndian.Uint32(head[4:]))
	if n < 12 || n%4 != 0 || n > maxCaptureBlock {
		return b, fmt.Errorf("the lab sends a block of %d bytes", n)
	}
	if cap(b) < n {
		b = make([]byte, n)
	}
	b = b[:n]
	_, err = io.ReadFull(in, b)
	return b, err
}

// The blocks of pcapng that matter here, and the options of theirs.
const (
	sectionBlock    = 0x0a0d0d0a
	interfaceBlock  = 1
	statisticsBlock = 5
	packetBlock     = 6

	dropCount      = 4 // of a packet
	interfaceDrops = 5 // of statistics
	delivered      = 8

	statisticsLen = 52 // bytes of the statistics of an interface
)

// block writes one block where it belongs.
func (s *saver) block(b []byte) error {
	u32 := binary.LittleEndian.Uint32
	switch u32(b) {
	case sectionBlock:
		s.head, s.ifs = append(s.head[:0], b...), nil
		return s.write(b)
	case interfaceBlock:
		s.head, s.ifs = append(s.head, b...), append(s.ifs, tally{})
	case statisticsBlock:
		if len(b) >= 24 {
			s.missing[u32(b[8:])] = counter(b[20:len(b)-4], interfaceDrops)
		}
	case packetBlock:
		if len(b) < 32 || int(u32(b[20:])) > len(b)-32 {
			return errors.New("the lab sends a packet that is cut off")
		}
		at := int64(u32(b[12:]))<<32 | int64(u32(b[16:]))
		kept := int(u32(b[20:]))
		lost := counter(b[28+(kept+3)&^3:len(b)-4], dropCount)
		if err := s.turn(at); err != nil {
			return err
		}
		s.packets++
		s.bytes += uint64(u32(b[24:]))
		s.lost += lost
		if id := int(u32(b[8:])); id < len(s.ifs) {
			i := &s.ifs[id]
			i.packets++
			i.lost += lost
			copy(i.last[:], b[12:])
		}
		s.tell(at)
	}
	return s.write(b)
}

// counter returns the 64-bit option of a code, 0 where there is none.
func counter(options []byte, code uint16) uint64 {
	u16 := binary.LittleEndian.Uint16
	for len(options) >= 4 {
		is, n := u16(options), int(u16(options[2:]))
		if options = options[4:]; n > len(options) {
			return 0
		}
		if is == code && n == 8 {
			return binary.LittleEndian.Uint64(options)
		}
		options = options[min((n+3)&^3, len(options)):]
	}
	return 0
}

// turn goes on in another file where a packet of a time does not belong in this one.
func (s *saver) turn(at int64) error {
	switch {
	case s.name == "":
		return nil
	case s.began == 0:
		s.began, s.first = at, at
		if s.out != nil {
			return nil
		}
	case s.span > 0 && at-s.began >= s.span:
		if s.files > 0 && s.size == 0 && s.all >= s.files {
			if err := s.statistics(); err != nil {
				return err
			}
			return errEnough
		}
		s.turns, s.first = 0, at
	case s.size > 0 && s.written > s.size:
		s.turns++
	default:
		return nil
	}
	if err := s.next(); err != nil {
		return err
	}
	s.began = at
	return nil
}

// next begins a file.
func (s *saver) next() error {
	if s.out != nil {
		if err := errors.Join(s.statistics(), s.out.Close()); err != nil {
			return err
		}
		s.out = nil
	}
	var err error
	if s.out, err = os.Create(s.fileName()); err != nil {
		return err
	}
	s.all++
	s.written = int64(len(s.head))
	_, err = s.out.Write(s.head)
	return err
}

// statistics ends a file with a block for each interface: how many packets of it were
// captured since the beginning, and how many lost.
func (s *saver) statistics() error {
	var b []byte
	for id := range s.ifs {
		i, u32, u64 := &s.ifs[id], binary.LittleEndian.AppendUint32, binary.LittleEndian.AppendUint64
		b = u32(u32(u32(b, statisticsBlock), statisticsLen), uint32(id))
		b = append(b, i.last[:]...)
		b = u64(u32(b, interfaceDrops|8<<16), i.lost)
		b = u64(u32(b, delivered|8<<16), i.packets)
		b = u32(u32(b, 0), statisticsLen)
	}
	_, err := s.out.Write(b)
	return err
}

// fileName is the name of the file that is begun, as tcpdump makes it.
func (s *saver) fileName() string {
	name := s.name
	if s.span > 0 {
		name = strftime(name, time.Unix(0, s.first))
	}
	switch {
	case s.size > 0 && s.span == 0 && s.files > 0:
		digits := len(strconv.Itoa(s.files - 1))
		if s.files == 1 {
			return name
		}
		return fmt.Sprintf("%s%0*d", name, digits, s.turns%s.files)
	case s.turns > 0:
		return name + strconv.Itoa(s.turns)
	}
	return name
}

// strftime is strftime(3), of what names of files need.
func strftime(name string, t time.Time) string {
	layouts := map[byte]string{'Y': "2006", 'm': "01", 'd': "02", 'H': "15", 'M': "04", 'S': "05", 'F': "2006-01-02", 'T': "15:04:05", 'y': "06", 'j': "002", 'b': "Jan", 'z': "-0700"}
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		if name[i] != '%' || i+1 == len(name) {
			b.WriteByte(name[i])
			continue
		}
		i++
		switch l, ok := layouts[name[i]]; {
		case ok:
			b.WriteString(t.Format(l))
		case name[i] == 's':
			b.WriteString(strconv.FormatInt(t.Unix(), 10))
		case name[i] == '%':
			b.WriteByte('%')
		default:
			b.WriteString(name[i-1 : i+1])
		}
	}
	return b.String()
}

// write writes a block to the present file.
func (s *saver) write(b []byte) error {
	if s.name == "" {
		_, err := s.e.Out.Write(b)
		return err
	}
	if s.out == nil { // what there is so far is in head, and its name may be that of its first packet's time
		if s.span > 0 {
			return nil
		}
		return s.next()
	}
	s.written += int64(len(b))
	_, err := s.out.Write(b)
	return err
}

// tell says once a second, in the time of packets, how many there have been.
func (s *saver) tell(at int64) {
	if s.said == 0 {
		s.said = at
	}
	if at-s.said >= 1e9 && !s.quiet {
		s.said = at
		fmt.Fprintf(s.e.Err, "%d packets, %d bytes, %d missing\n", s.packets, s.bytes, s.lost)
	}
}

// missed is how many packets are missing, as the statistics say where they have come.
func (s *saver) missed() (n uint64) {
	for _, lost := range s.missing {
		n += lost
	}
	return max(n, s.lost)
}

// report says how many there were, as tcpdump does.
func (s *saver) report() {
	s.e.Out.Flush()
	fmt.Fprintf(s.e.Err, "%d packets captured\n%d packets dropped by capture\n", s.packets, s.missed())
}

// document is what --json prints.
func (s *saver) document() any {
	return map[string]any{"capture": map[string]any{"packets": s.packets, "bytes": s.bytes, "dropped": s.missed(), "files": s.all}}
}
