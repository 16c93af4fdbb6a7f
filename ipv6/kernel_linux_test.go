package ipv6_test

import (
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/seed88948545/vimage"
)

// kernel returns the kernel's network in a namespace of its own, which has nothing
// but a loopback interface with some addresses and a route for groups. The
// goroutine is the only one that sees it: it keeps its thread for good. Without
// the privilege to make one it skips the test.
func kernel(t *testing.T, addrs ...string) (vimage.Network, *net.Interface) {
	t.Helper()
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skip("a network namespace needs privilege: ", err)
	}
	fd := must(unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0))(t)
	defer unix.Close(fd)
	lo := must(net.InterfaceByName("lo"))(t)
	ifr := must(unix.NewIfreq("lo"))(t)
	ifr.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr); err != nil {
		t.Fatal("lo:", err)
	}
	for _, a := range addrs {
		var r struct { // struct in6_ifreq
			addr  [16]byte
			bits  uint32
			index int32
		}
		r.addr, r.bits, r.index = netip.MustParseAddr(a).As16(), 128, int32(lo.Index)
		ioctl(t, fd, unix.SIOCSIFADDR, unsafe.Pointer(&r))
	}
	var r struct { // struct in6_rtmsg
		dst, src, gateway [16]byte
		typ               uint32
		dstLen, srcLen    uint16
		metric            uint32
		info              uint64
		flags             uint32
		index             int32
	}
	r.dst[0], r.dstLen, r.flags, r.metric, r.index = 0xff, 8, unix.RTF_UP|unix.RTF_LOCAL, 1, int32(lo.Index)
	ioctl(t, fd, unix.SIOCADDRT, unsafe.Pointer(&r))
	for _, a := range addrs {
		usable(t, a)
	}
	return vimage.OS(), lo
}

func ioctl(t *testing.T, fd int, req uintptr, arg unsafe.Pointer) {
	t.Helper()
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), req, uintptr(arg)); e != 0 {
		t.Fatalf("ioctl %#x: %v", req, e)
	}
}

// usable waits until the kernel lets an address be used, which it does from a
// thread of its own.
func usable(t *testing.T, addr string) {
	t.Helper()
	for begin := time.Now(); ; runtime.Gosched() {
		c, err := net.ListenPacket("udp6", "["+addr+"]:0")
		if err == nil {
			c.Close()
			return
		}
		if time.Since(begin) > 5*time.Second {
			t.Fatal(err)
		}
	}
}
