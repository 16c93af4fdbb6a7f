package interop

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/interop/ns"
	"github.com/seed88948545/vimage/link"
	"github.com/seed88948545/vimage/link/tap"
	"golang.org/x/sys/unix"
)

const (
	kernelAddr = "10.77.0.1"
	ourAddr    = "10.77.0.2"
)

func openTAP(t *testing.T, cfg tap.Config) *tap.Device {
	t.Helper()
	ns.NeedTUN(t)
	dev, err := tap.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dev.Close() })
	return dev
}

// openUp creates a TAP whose kernel end has an address, and knows ours.
func openUp(t *testing.T, cfg tap.Config) *tap.Device {
	t.Helper()
	cfg.Create = true
	dev := openTAP(t, cfg)
	name := dev.Info().Name
	ns.IP(t, "address", "add", kernelAddr+"/24", "dev", name)
	ns.IP(t, "link", "set", name, "up")
	ns.IP(t, "neighbour", "replace", ourAddr, "lladdr", dev.Info().MAC.String(), "dev", name, "nud", "permanent")
	return dev
}

// readUDP reads, one frame at a time, until a UDP datagram to ourAddr comes.
func readUDP(t *testing.T, dev link.Device) ([]byte, link.Meta) {
	t.Helper()
	frames, meta := buffers(dev, 1)
	for {
		if _, err := dev.Read(frames, meta); err != nil {
			t.Fatal(err)
		}
		f := frames[0][:meta[0].Len]
		if p, fault := wire.ParseIPv4(wire.Ether(f).Payload()); fault == wire.OK && p.Proto() == wire.ProtoUDP && p.Dst().String() == ourAddr {
			return f, meta[0]
		}
	}
}

func TestTAPKernelPingsUs(t *testing.T) {
	ns.Run(t, func(t *testing.T) {
		dev := openTAP(t, tap.Config{Name: "vm0", Create: true})
		ns.IP(t, "address", "add", kernelAddr+"/24", "dev", "vm0")
		ns.IP(t, "link", "set", "vm0", "up")
		info := dev.Info()
		if info.Name != "vm0" || info.MTU != 1500 || !info.Sum || info.MaxFrame < 1518 {
			t.Errorf("%+v", info)
		}
		kernel, err := net.InterfaceByName("vm0")
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(info.MAC, kernel.HardwareAddr) || len(info.MAC) != 6 {
			t.Errorf("MAC %s suggested, the kernel has %s", info.MAC, kernel.HardwareAddr)
		}
		respond(t, dev, wire.MAC(info.MAC), netip.MustParseAddr(ourAddr))
		for seq := range uint16(3) {
			ping(t, ourAddr, seq)
		}
	})
}

// ping sends an echo request from the kernel's stack and waits for its answer.
func ping(t *testing.T, to string, seq uint16) {
	t.Helper()
	c, err := net.ListenPacket("ip4:icmp", kernelAddr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	request := append([]byte{8, 0, 0, 0, 0x76, 0x69}, bytes.Repeat([]byte{0x55}, 50)...)
	binary.BigEndian.PutUint16(request[6:], seq)
	binary.BigEndian.PutUint16(request[2:], wire.Checksum(request))
	if _, err := c.WriteTo(request, &net.IPAddr{IP: net.ParseIP(to)}); err != nil {
		t.Fatal(err)
	}
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	b := make([]byte, 1500)
	n, from, err := c.ReadFrom(b)
	if err != nil {
		t.Fatalf("echo request %d: %v", seq, err)
	}
	if b[0] != 0 || from.String() != to || !bytes.Equal(b[4:n], request[4:]) || wire.Checksum(b[:n]) != 0 {
		t.Errorf("echo request %d is answered by %s with %x", seq, from, b[:n])
	}
}

// sendGSO has the kernel send segments datagrams of size bytes in one call.
func sendGSO(t *testing.T, segments, size int) {
	t.Helper()
	c, err := net.Dial("udp4", ourAddr+":9")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	raw, err := c.(*net.UDPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var opt error
	if err := raw.Control(func(fd uintptr) { opt = unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT, size) }); err != nil || opt != nil {
		t.Fatal(err, opt)
	}
	if _, err := c.Write(make([]byte, segments*size)); err != nil {
		t.Fatal(err)
	}
}

func TestTAPUDPSuperSegmentFromKernel(t *testing.T) {
	ns.Run(t, func(t *testing.T) {
		dev := openUp(t, tap.Config{Name: "vm0"})
		if !dev.Info().GSO {
			ns.Missing(t, "this kernel (before Linux 6.2) has no UDP segmentation on TAP")
		}
		sendGSO(t, 20, 1400)
		_, m := readUDP(t, dev)
		want := link.Meta{Len: 42 + 20*1400, Sum: link.SumPartial, SumStart: 34, SumOffset: 6, GSO: link.GSOUDP, Size: 1400, HeaderLen: 42}
		if m != want {
			t.Errorf("the kernel's super-segment comes as %+v, want %+v", m, want)
		}
	})
}

func TestTAPNoOffload(t *testing.T) {
	ns.Run(t, func(t *testing.T) {
		dev := openUp(t, tap.Config{Name: "vm0", NoOffload: true})
		if got := dev.Info().MaxFrame; got != 1518 {
			t.Errorf("MaxFrame %d", got)
		}
		sendGSO(t, 3, 1400)
		for range 3 {
			f, m := readUDP(t, dev)
			if m != (link.Meta{Len: 42 + 1400}) {
				t.Errorf("%+v", m)
			}
			p, _ := wire.ParseIPv4(wire.Ether(f).Payload())
			if u, fault := wire.ParseUDP(p.Payload()); fault != wire.OK || u.Checksum() == 0 || !u.ChecksumOK(p.Src(), p.Dst()) {
				t.Error("the kernel did not complete the checksum")
			}
		}
	})
}

// datagram makes a frame from us to the kernel with only the pseudo-header summed.
func datagram(t *testing.T, dev *tap.Device, port uint16, payload []byte) ([]byte, link.Meta) {
	t.Helper()
	kernel, err := net.InterfaceByName(dev.Info().Name)
	if err != nil {
		t.Fatal(err)
	}
	src, dst := netip.MustParseAddr(ourAddr), netip.MustParseAddr(kernelAddr)
	f := make([]byte, 42+len(payload))
	wire.PutEther(f, wire.MAC(kernel.HardwareAddr), wire.MAC(dev.Info().MAC), wire.EtherTypeIPv4)
	wire.PutIPv4(f[14:], &wire.IPv4Header{TTL: 64, Proto: wire.ProtoUDP, Src: src, Dst: dst}, 8+len(payload))
	wire.PutUDP(f[34:], 9, port, len(payload))
	binary.BigEndian.PutUint16(f[40:], ^wire.Fold(wire.PseudoSum(src, dst, wire.ProtoUDP, 8+len(payload))))
	copy(f[42:], payload)
	return f, link.Meta{Len: len(f), Sum: link.SumPartial, SumStart: 34, SumOffset: 6}
}

func listen(t *testing.T) (*net.UDPConn, uint16) {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(kernelAddr)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	return c, c.LocalAddr().(*net.UDPAddr).AddrPort().Port()
}

// TestTAPPartialChecksumToKernel writes three frames with the same unfinished
// checksum; the one that claims to be complete must be the one the kernel drops.
func TestTAPPartialChecksumToKernel(t *testing.T) {
	ns.Run(t, func(t *testing.T) {
		dev := openUp(t, tap.Config{Name: "vm0"})
		c, port := listen(t)
		var frames [][]byte
		var meta []link.Meta
		for _, text := range []string{"partial", "claimed", "partial again"} {
			f, m := datagram(t, dev, port, []byte(text))
			if text == "claimed" {
				m = link.Meta{Len: m.Len}
			}
			frames, meta = append(frames, f), append(meta, m)
		}
		if n, err := dev.Write(frames, meta); n != 3 || err != nil {
			t.Fatal(n, err)
		}
		b := make([]byte, 1500)
		for _, want := range []string{"partial", "partial again"} {
			n, _, err := c.ReadFromUDPAddrPort(b)
			if err != nil || string(b[:n]) != want {
				t.Fatalf("the kernel delivers %q, %v, want %q", b[:n], err, want)
			}
		}
	})
}

func TestTAPUDPSuperSegmentToKernel(t *testing.T) {
	ns.Run(t, func(t *testing.T) {
		dev := openUp(t, tap.Config{Name: "vm0"})
		if !dev.Info().GSO {
			ns.Missing(t, "this kernel (before Linux 6.2) has no UDP segmentation on TAP")
		}
		c, port := listen(t)
		f, m := datagram(t, dev, port, make([]byte, 10*1000+1))
		m.GSO, m.Size, m.HeaderLen = link.GSOUDP, 1000, 42
		if n, err := dev.Write([][]byte{f}, []link.Meta{m}); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		b := make([]byte, 20000)
		for i := range 11 {
			n, _, err := c.ReadFromUDPAddrPort(b)
			if want := min(1000, 10001-1000*i); err != nil || n != want {
				t.Fatalf("datagram %d: %d bytes, %v, want %d", i, n, err, want)
			}
		}
	})
}

// TestTAPTCPThroughTwo lets the kernel send a stream to itself through two TAPs
// that are wired to each other: TCP super-segments, both ways across the device.
func TestTAPTCPThroughTwo(t *testing.T) {
	ns.Run(t, func(t *testing.T) {
		far := ns.New(t)
		near := openTAP(t, tap.Config{Name: "vm0", Create: true})
		ns.IP(t, "address", "add", kernelAddr+"/24", "dev", "vm0")
		ns.IP(t, "link", "set", "vm0", "up")
		var other *tap.Device
		var l net.Listener
		far.IP(t, "tuntap", "add", "dev", "vm1", "mode", "tap")
		far.IP(t, "address", "add", ourAddr+"/24", "dev", "vm1")
		far.IP(t, "link", "set", "vm1", "up")
		err := far.Do(func() (err error) {
			if other, err = tap.Open(tap.Config{Name: "vm1"}); err != nil {
				return err
			}
			l, err = net.Listen("tcp4", ourAddr+":0")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		supers := make(chan int, 2)
		go func() { supers <- forward(near, other) }()
		go func() { supers <- forward(other, near) }()

		const size = 8 << 20
		go func() {
			c, err := net.Dial("tcp4", l.Addr().String())
			if err != nil {
				return
			}
			c.Write(make([]byte, size))
			c.Close()
		}()
		l.(*net.TCPListener).SetDeadline(time.Now().Add(10 * time.Second))
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		c.SetReadDeadline(time.Now().Add(20 * time.Second))
		if n, err := io.Copy(io.Discard, c); err != nil || n != size {
			t.Errorf("%d of %d bytes came, %v", n, size, err)
		}
		c.Close()
		near.Close()
		other.Close()
		if n := <-supers + <-supers; n == 0 {
			t.Error("no super-segment among the frames")
		}
		for _, d := range []*tap.Device{near, other} {
			if s := d.Stats(); s.RxBadHeader+s.TxBadMeta+s.TxRefused+s.TxTooLong+s.RxTruncated != 0 {
				t.Errorf("%s: %+v", d.Info().Name, s)
			}
		}
	})
}

// forward moves frames until a device is closed and counts super-segments.
func forward(from, to *tap.Device) (supers int) {
	frames, meta := buffers(from, 16)
	for {
		n, err := from.Read(frames, meta)
		if err != nil {
			return supers
		}
		for _, m := range meta[:n] {
			if m.GSO != link.GSONone {
				supers++
			}
		}
		if _, err := to.Write(frames[:n], meta[:n]); err != nil {
			return supers
		}
	}
}

// blockedRead reads in a goroutine until there is an error, and returns once it waits in the poller.
func blockedRead(t *testing.T, dev *tap.Device) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		frames, meta := buffers(dev, 4)
		for {
			if _, err := dev.Read(frames, meta); err != nil {
				done <- err
				return
			}
		}
	}()
	stacks := make([]byte, 1<<20)
	ns.Poll(t, 5*time.Second, func() (bool, string) {
		s := string(stacks[:runtime.Stack(stacks, true)])
		for _, g := range strings.Split(s, "\n\n") {
			if strings.Contains(g, "[IO wait") && strings.Contains(g, "tap.(*Device).Read") {
				return true, ""
			}
		}
		return false, "no goroutine waits in Read:\n" + s
	})
	return done
}

func TestTAPCloseUnblocksRead(t *testing.T) {
	ns.Run(t, func(t *testing.T) {
		dev := openUp(t, tap.Config{Name: "vm0"})
		done := blockedRead(t, dev)
		if err := dev.Close(); err != nil {
			t.Fatal(err)
		}
		wantClosed(t, done)
		if _, err := net.InterfaceByName("vm0"); err == nil {
			t.Error("the interface that Open created is still there")
		}
	})
}

func TestTAPDeletedUnderRead(t *testing.T) {
	ns.Run(t, func(t *testing.T) {
		dev := openUp(t, tap.Config{Name: "vm0"})
		done := blockedRead(t, dev)
		ns.IP(t, "link", "delete", "vm0")
		if err := wantClosed(t, done); !errors.Is(err, unix.EBADFD) {
			t.Errorf("%v is not EBADFD", err)
		}
		frames, meta := buffers(dev, 1)
		meta[0].Len = 60
		if n, err := dev.Write(frames, meta); n != 0 || !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write gives %d, %v", n, err)
		}
		if n, err := dev.Read(frames, meta); n != 0 || !errors.Is(err, net.ErrClosed) {
			t.Errorf("Read gives %d, %v", n, err)
		}
		if err := dev.Close(); err != nil {
			t.Error(err)
		}
	})
}

func wantClosed(t *testing.T, done <-chan error) error {
	t.Helper()
	select {
	case err := <-done:
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("Read gives %v", err)
		}
		return err
	case <-time.After(5 * time.Second):
		t.Fatal("Read still waits")
		return nil
	}
}

func TestTAPWriteWhileDown(t *testing.T) {
	ns.Run(t, func(t *testing.T) {
		dev := openUp(t, tap.Config{Name: "vm0"})
		ns.IP(t, "link", "set", "vm0", "down")
		frames, meta := buffers(dev, 2)
		meta[0].Len, meta[1].Len = 60, 60
		if n, err := dev.Write(frames, meta); n != 2 || err != nil {
			t.Fatal(n, err)
		}
		ns.IP(t, "link", "set", "vm0", "up")
		if n, err := dev.Write(frames, meta); n != 2 || err != nil {
			t.Fatal(n, err)
		}
		if s := dev.Stats(); s.TxDown != 2 || s.TxFrames != 2 {
			t.Errorf("%+v", s)
		}
	})
}

func TestTAPOpenExisting(t *testing.T) {
	ns.Run(t, func(t *testing.T) {
		ns.NeedTUN(t)
		ns.IP(t, "tuntap", "add", "dev", "vm0", "mode", "tap")
		ns.IP(t, "link", "set", "vm0", "mtu", "9000")
		dev := openTAP(t, tap.Config{Name: "vm0"})
		if dev.Info().MTU != 9000 {
			t.Errorf("%+v", dev.Info())
		}
		wantError(t, tap.Config{Name: "vm0"}, "tap vm0: another process has it open: device or resource busy")
		if err := dev.Close(); err != nil {
			t.Fatal(err)
		}
		openTAP(t, tap.Config{Name: "vm0", NoOffload: true})
		wantError(t, tap.Config{Name: "lo"}, "tap lo: the interface is no TAP with one queue (see: ip tuntap): invalid argument")
		if name := openTAP(t, tap.Config{Create: true}).Info().Name; name != "tap0" {
			t.Errorf("the kernel named it %q", name)
		}
	})
}

func wantError(t *testing.T, cfg tap.Config, want string) {
	t.Helper()
	d, err := tap.Open(cfg)
	if err == nil {
		d.Close()
		t.Fatalf("%+v opens", cfg)
	}
	if err.Error() != want {
		t.Errorf("%+v gives\n%v, want\n%s", cfg, err, want)
	}
}

// TestTAPWithoutPrivilege takes CAP_NET_ADMIN from one thread and reads the error.
func TestTAPWithoutPrivilege(t *testing.T) {
	ns.Run(t, func(t *testing.T) {
		ns.NeedTUN(t)
		done := make(chan struct{})
		go func() {
			defer close(done)
			runtime.LockOSThread()
			if err := dropNetAdmin(); err != nil {
				t.Error(err)
				return
			}
			const want = "tap vm0: creating it needs CAP_NET_ADMIN; run: sudo ip tuntap add dev vm0 mode tap user $USER; sudo ip link set vm0 up: operation not permitted"
			d, err := tap.Open(tap.Config{Name: "vm0", Create: true})
			if err == nil {
				d.Close()
				t.Error("opens without CAP_NET_ADMIN")
			} else if err.Error() != want || !errors.Is(err, os.ErrPermission) {
				t.Errorf("the error is\n%v, want\n%s", err, want)
			}
		}()
		<-done
	})
}

// dropNetAdmin takes the capability from the calling thread's effective set.
func dropNetAdmin() error {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return err
	}
	data[0].Effective &^= 1 << unix.CAP_NET_ADMIN
	return unix.Capset(&hdr, &data[0])
}
