package tap

import (
	"bytes"
	"errors"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/seed88948545/vimage/link"
	"golang.org/x/sys/unix"
)

// pair returns a Device on one end of a socket that keeps message boundaries,
// as a TAP does, and the other end.
func pair(t testing.TB, info link.Info) (*Device, int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		t.Fatal(err)
	}
	info.Name = "vm0"
	d, err := newDevice(fds[0], info)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close(); unix.Close(fds[1]) })
	return d, fds[1]
}

func send(t testing.TB, fd int, hdr string, frame []byte) {
	t.Helper()
	if _, err := unix.Write(fd, append([]byte(hdr), frame...)); err != nil {
		t.Fatal(err)
	}
}

func buffers(n, size int) ([][]byte, []link.Meta) {
	b := make([][]byte, n)
	for i := range b {
		b[i] = make([]byte, size)
	}
	return b, make([]link.Meta, n)
}

var plainHdr = strings.Repeat("\x00", hdrLen)

func TestReadBatch(t *testing.T) {
	d, peer := pair(t, link.Info{MTU: 1500})
	frames, meta := buffers(4, 1518)
	for i := range 6 {
		send(t, peer, plainHdr, bytes.Repeat([]byte{byte(i)}, 60+i))
	}
	got := 0
	for _, want := range []int{4, 2} {
		n, err := d.Read(frames, meta)
		if n != want || err != nil {
			t.Fatalf("Read gives %d, %v, want %d", n, err, want)
		}
		for i := range n {
			if meta[i] != (link.Meta{Len: 60 + got}) || frames[i][0] != byte(got) {
				t.Errorf("frame %d: %+v, content %d", got, meta[i], frames[i][0])
			}
			got++
		}
	}
	if s := d.Stats(); s != (Stats{RxFrames: 6}) {
		t.Errorf("%+v", s)
	}
}

// TestReadSkips sends what must not be returned before and between good frames.
func TestReadSkips(t *testing.T) {
	d, peer := pair(t, link.Info{MTU: 86})
	frames, meta := buffers(8, 100)
	send(t, peer, plainHdr, make([]byte, 13))
	send(t, peer, "\x00\x00", nil)
	send(t, peer, plainHdr, make([]byte, 101))
	send(t, peer, plainHdr, make([]byte, 100))
	send(t, peer, "\x00\x07"+plainHdr[2:], make([]byte, 60))
	send(t, peer, plainHdr, make([]byte, 14))
	n, err := d.Read(frames, meta)
	if n != 2 || err != nil || meta[0].Len != 100 || meta[1].Len != 14 {
		t.Fatalf("Read gives %d, %v, %+v", n, err, meta[:n])
	}
	if s := d.Stats(); s != (Stats{RxFrames: 2, RxShort: 2, RxTruncated: 1, RxBadHeader: 1}) {
		t.Errorf("%+v", s)
	}
}

func TestWrite(t *testing.T) {
	d, peer := pair(t, link.Info{MTU: 1500})
	super := frameOf(9000, 20, 0)
	frames := [][]byte{
		frameOf(60, 20, 0),
		make([]byte, 13),
		make([]byte, 1519),
		frameOf(60, 20, 0),
		make([]byte, 60),
		super,
		make([]byte, 70000),
	}
	tcp := link.Meta{Sum: link.SumPartial, SumStart: 34, SumOffset: 16, GSO: link.GSOTCP4, Size: 1448, HeaderLen: 54}
	meta := make([]link.Meta, len(frames))
	meta[5], meta[6] = tcp, tcp
	for i := range frames {
		meta[i].Len = len(frames[i])
	}
	meta[3] = link.Meta{Len: 60, Sum: link.SumPartial, SumStart: 58, SumOffset: 1}
	meta[4].Len = 61
	if n, err := d.Write(frames, meta); n != len(frames) || err != nil {
		t.Fatalf("Write gives %d, %v", n, err)
	}
	if s := d.Stats(); s != (Stats{TxFrames: 2, TxShort: 1, TxTooLong: 2, TxBadMeta: 2}) {
		t.Errorf("%+v", s)
	}
	buf := make([]byte, 10000)
	for _, want := range [][]byte{frames[0], super} {
		n, err := unix.Read(peer, buf)
		if err != nil || !bytes.Equal(buf[hdrLen:n], want) {
			t.Fatalf("peer reads %d bytes, %v, want %d", n, err, len(want)+hdrLen)
		}
	}
	if buf[1] != gsoTCP4 {
		t.Errorf("gso type %d", buf[1])
	}
}

// TestWriteBusy fills the socket: what does not fit is counted, never waited for.
func TestWriteBusy(t *testing.T) {
	d, _ := pair(t, link.Info{MTU: 1500})
	frames, meta := buffers(64, 1500)
	for i := range meta {
		meta[i].Len = 1500
	}
	sent := uint64(0)
	for d.Stats().TxBusy == 0 {
		if n, err := d.Write(frames, meta); n != 64 || err != nil {
			t.Fatalf("Write gives %d, %v", n, err)
		}
		sent += 64
	}
	if s := d.Stats(); s.TxFrames+s.TxBusy != sent || s.TxFrames == 0 {
		t.Errorf("%+v of %d", s, sent)
	}
}

func TestClose(t *testing.T) {
	d, _ := pair(t, link.Info{MTU: 1500})
	frames, meta := buffers(1, 1518)
	meta[0].Len = 60
	done := make(chan error)
	go func() {
		_, err := d.Read(frames, make([]link.Meta, 1))
		done <- err
	}()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Read: %v", err)
	}
	if _, err := d.Read(frames, meta); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Read: %v", err)
	}
	if n, err := d.Write(frames, meta); n != 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("Write: %d, %v", n, err)
	}
	if err := d.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("second Close: %v", err)
	}
}

func TestOpenErrors(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{}, "tap: no name given, and the TAP is not to be created"},
		{Config{Name: "a name"}, `tap "a name": not the name of an interface: invalid argument`},
		{Config{Name: "sixteen-letters-"}, `tap "sixteen-letters-": not the name of an interface: invalid argument`},
		{Config{Name: "nosuchtap0"}, "tap nosuchtap0: no such interface; run: sudo ip tuntap add dev nosuchtap0 mode tap user $USER; sudo ip link set nosuchtap0 up: no such device"},
	} {
		d, err := Open(c.cfg)
		if err == nil {
			d.Close()
			t.Fatalf("%+v opens", c.cfg)
		}
		if err.Error() != c.want {
			t.Errorf("%+v gives\n%v, want\n%s", c.cfg, err, c.want)
		}
	}
}

// TestErrorsSayWhatToRun holds the wording of what only happens on systems set
// up otherwise.
func TestErrorsSayWhatToRun(t *testing.T) {
	const run = "run: sudo ip tuntap add dev vm0 mode tap user $USER; sudo ip link set vm0 up"
	for _, c := range []struct {
		err  error
		is   error
		want string
	}{
		{openError("vm0", unix.ENOENT), os.ErrNotExist, "sudo modprobe tun"},
		{openError("vm0", unix.EACCES), os.ErrPermission, "run: sudo chmod 0666 /dev/net/tun; sudo ip tuntap add"},
		{openError("vm0", unix.EMFILE), unix.EMFILE, "open /dev/net/tun"},
		{attachError("vm0", false, unix.EPERM), os.ErrPermission, run},
		{attachError("vm0", true, unix.EPERM), os.ErrPermission, "belongs to another user; run: sudo ip tuntap del dev vm0 mode tap; sudo"},
		{attachError("vm0", true, unix.EBUSY), unix.EBUSY, "another process has it open"},
		{attachError("vm0", true, unix.EINVAL), unix.EINVAL, "no TAP with one queue"},
		{attachError("vm0", false, unix.ENFILE), unix.ENFILE, "TUNSETIFF"},
	} {
		if s := c.err.Error(); !strings.Contains(s, c.want) || !errors.Is(c.err, c.is) || strings.Contains(s, "\n") {
			t.Errorf("%s\nwants %q and to be %v", s, c.want, c.is)
		}
	}
}

func TestNoAllocation(t *testing.T) {
	d, peer := pair(t, link.Info{MTU: 1500})
	frames, meta := buffers(8, 1518)
	echo := make([]byte, 2000)
	out, outMeta := buffers(1, 60)
	outMeta[0].Len = 60
	n := testing.AllocsPerRun(100, func() {
		if _, err := d.Write(out, outMeta); err != nil {
			t.Fatal(err)
		}
		n, _ := unix.Read(peer, echo)
		unix.Write(peer, echo[:n])
		if n, err := d.Read(frames, meta); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations for a frame written and read", n)
	}
}
