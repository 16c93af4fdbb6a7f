package interop

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/interop/ns"
	"github.com/seed88948545/vimage/link"
	"github.com/seed88948545/vimage/link/tap"
	"golang.org/x/sys/unix"
)

const (
	kernelAddr6 = "2001:db8:77::1"
	ourAddr6    = "2001:db8:77::2"
)

// counted counts the super-segments that come from a device.
type counted struct {
	*tap.Device
	kinds [4]int
}

func (c *counted) Read(frames [][]byte, meta []link.Meta) (int, error) {
	n, err := c.Device.Read(frames, meta)
	for _, m := range meta[:n] {
		c.kinds[m.GSO]++
	}
	return n, err
}

// taps6 is two namespaces, each with a TAP, whose other ends are wired together.
func taps6(t *testing.T, farCfg tap.Config) (far *ns.Net, a, b *counted, wires [2]*link.Wire) {
	far = ns.New(t)
	a = &counted{Device: openTAP(t, tap.Config{Name: "vm0", Create: true})}
	for _, args := range [][]string{{"address", "add", kernelAddr6 + "/64", "dev", "vm0", "nodad"}, {"link", "set", "vm0", "up"}} {
		ns.IP(t, args...)
	}
	for _, args := range [][]string{{"tuntap", "add", "dev", "vm1", "mode", "tap"}, {"address", "add", ourAddr6 + "/64", "dev", "vm1", "nodad"}, {"link", "set", "vm1", "up"}} {
		far.IP(t, args...)
	}
	err := far.Do(func() error {
		farCfg.Name = "vm1"
		d, err := tap.Open(farCfg)
		b = &counted{Device: d}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	s := netisr.NewSched(clock.NewReal())
	for i, d := range []*counted{a, b} {
		if wires[i], err = link.NewWire(s, d); err != nil {
			t.Fatal(err)
		}
	}
	link.Join(wires[0], wires[1])
	return far, a, b, wires
}

func finish6(t *testing.T, a, b *counted, wires [2]*link.Wire) {
	t.Helper()
	for _, w := range wires {
		w.Close()
		if s := w.Stats(); s.BadMeta != 0 {
			t.Errorf("%+v", s)
		}
	}
	for _, d := range []*counted{a, b} {
		if s := d.Stats(); s.RxBadHeader+s.TxBadMeta+s.TxRefused+s.TxTooLong+s.RxTruncated != 0 {
			t.Errorf("%s: %+v", d.Info().Name, s)
		}
	}
}

// pattern is n bytes that tell where they belong.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i / 7)
	}
	return b
}

// sendTCP6 sends size bytes from the namespace of the test, with a destination
// options header in every segment if ext.
func sendTCP6(t *testing.T, to string, size int, ext bool) {
	c, err := net.DialTimeout("tcp6", to, 5*time.Second)
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	if ext {
		raw, _ := c.(*net.TCPConn).SyscallConn()
		raw.Control(func(fd uintptr) {
			padding := string([]byte{0, 0, 1, 4, 0, 0, 0, 0})
			if err := unix.SetsockoptString(int(fd), unix.IPPROTO_IPV6, unix.IPV6_DSTOPTS, padding); err != nil {
				t.Error(err)
			}
		})
	}
	if _, err := c.Write(pattern(size)); err != nil {
		t.Error(err)
	}
}

// TestTAPTCP6ThroughTwo lets a kernel send streams over IPv6 to another: one
// device takes super-segments, or they are cut for it; with extension headers too.
func TestTAPTCP6ThroughTwo(t *testing.T) {
	for _, plain := range []bool{false, true} {
		for _, ext := range []bool{false, true} {
			t.Run(fmt.Sprintf("plain %v, extension headers %v", plain, ext), func(t *testing.T) {
				ns.Run(t, func(t *testing.T) {
					far, a, b, wires := taps6(t, tap.Config{NoOffload: plain})
					var l net.Listener
					if err := far.Do(func() (err error) { l, err = net.Listen("tcp6", "["+ourAddr6+"]:0"); return err }); err != nil {
						t.Fatal(err)
					}
					defer l.Close()
					const size = 8 << 20
					go sendTCP6(t, l.Addr().String(), size, ext)
					l.(*net.TCPListener).SetDeadline(time.Now().Add(10 * time.Second))
					c, err := l.Accept()
					if err != nil {
						t.Fatal(err)
					}
					c.SetReadDeadline(time.Now().Add(20 * time.Second))
					got, err := io.ReadAll(c)
					if err != nil || len(got) != size {
						t.Errorf("%d of %d bytes came, %v", len(got), size, err)
					}
					if !bytes.Equal(got, pattern(size)) {
						t.Error("they are not those that were sent")
					}
					c.Close()
					finish6(t, a, b, wires)
					if a.kinds[link.GSOTCP6] == 0 {
						t.Error("no super-segment")
					}
				})
			})
		}
	}
}

// TestTAPUDP6SuperSegments sends UDP_SEGMENT over IPv6.
func TestTAPUDP6SuperSegments(t *testing.T) {
	ns.Run(t, func(t *testing.T) {
		far, a, b, wires := taps6(t, tap.Config{})
		var l net.PacketConn
		if err := far.Do(func() (err error) { l, err = net.ListenPacket("udp6", "["+ourAddr6+"]:0"); return err }); err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		c, err := net.Dial("udp6", l.LocalAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		raw, _ := c.(*net.UDPConn).SyscallConn()
		raw.Control(func(fd uintptr) {
			if err := unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT, 1000); err != nil {
				t.Error(err)
			}
		})
		if _, err := c.Write(make([]byte, 10001)); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 20000)
		l.SetReadDeadline(time.Now().Add(5 * time.Second))
		for i := range 11 {
			n, _, err := l.ReadFrom(buf)
			if want := min(1000, 10001-1000*i); err != nil || n != want {
				t.Fatalf("datagram %d: %d bytes, %v, want %d", i, n, err, want)
			}
		}
		finish6(t, a, b, wires)
		if a.kinds[link.GSOUDP] == 0 {
			t.Error("no super-segment")
		}
	})
}
