package tap

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/seed88948545/vimage/link"
	"golang.org/x/sys/unix"
)

const tunPath = "/dev/net/tun"

// offloads are the sets asked for in turn until the kernel takes one. UDP
// segmentation (USO) came with Linux 6.2.
var offloads = [...]int{
	offloadAll,
	unix.TUN_F_CSUM | unix.TUN_F_TSO4 | unix.TUN_F_TSO6 | unix.TUN_F_TSO_ECN,
	unix.TUN_F_CSUM,
}

const offloadAll = unix.TUN_F_CSUM | unix.TUN_F_TSO4 | unix.TUN_F_TSO6 | unix.TUN_F_TSO_ECN | unix.TUN_F_USO4 | unix.TUN_F_USO6

// Open opens a TAP of the calling thread's network namespace. Its errors are
// one line, and say what to run where that helps.
func Open(cfg Config) (*Device, error) {
	exists, err := lookUp(cfg)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Open(tunPath, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, openError(cfg.Name, err)
	}
	info, err := attach(fd, cfg, exists)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return newDevice(fd, info)
}

// lookUp reports whether there is an interface of that name.
func lookUp(cfg Config) (bool, error) {
	if cfg.Name == "" && !cfg.Create {
		return false, errors.New("tap: no name given, and the TAP is not to be created")
	}
	if cfg.Name == "" {
		return false, nil
	}
	if len(cfg.Name) >= unix.IFNAMSIZ || strings.ContainsAny(cfg.Name, "/: \t\n\x00") {
		return false, fmt.Errorf("tap %q: not the name of an interface: %w", cfg.Name, unix.EINVAL)
	}
	_, err := net.InterfaceByName(cfg.Name)
	if err != nil && !cfg.Create {
		return false, fmt.Errorf("tap %s: no such interface; run: %s: %w", cfg.Name, create(cfg.Name), unix.ENODEV)
	}
	return err == nil, nil
}

// attach binds fd to the interface and settles the offloads.
func attach(fd int, cfg Config, exists bool) (link.Info, error) {
	ifr, err := unix.NewIfreq(cfg.Name)
	if err != nil {
		return link.Info{}, fmt.Errorf("tap %q: %w", cfg.Name, err)
	}
	ifr.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr); err != nil {
		return link.Info{}, attachError(cfg.Name, exists, err)
	}
	name := ifr.Name()
	if err := unix.IoctlSetPointerInt(fd, unix.TUNSETVNETHDRSZ, hdrLen); err != nil {
		return link.Info{}, fmt.Errorf("tap %s: TUNSETVNETHDRSZ: %w", name, err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TUNSETVNETLE, 1); err != nil {
		return link.Info{}, fmt.Errorf("tap %s: TUNSETVNETLE: %w", name, err)
	}
	taken, err := setOffload(fd, cfg.NoOffload)
	if err != nil {
		return link.Info{}, fmt.Errorf("tap %s: TUNSETOFFLOAD: %w", name, err)
	}
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		return link.Info{}, fmt.Errorf("tap %s: %w", name, err)
	}
	info := link.Info{
		Name: name, MTU: ifi.MTU, MaxFrame: ifi.MTU + linkRoom,
		MAC: suggestMAC(ifi.HardwareAddr),
		Sum: true, GSO: taken == offloadAll,
	}
	if taken&^unix.TUN_F_CSUM != 0 {
		info.MaxFrame = max(info.MaxFrame, maxSuper)
	}
	return info, nil
}

// setOffload has the kernel send us what it would rather not finish itself. An
// interface that stays may hold the set of its last user, so none is set too.
func setOffload(fd int, none bool) (taken int, err error) {
	if none {
		return 0, unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, 0)
	}
	for _, set := range offloads {
		if unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, set) == nil {
			return set, nil
		}
	}
	return 0, unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, 0)
}

// newDevice makes a Device of a non-blocking descriptor that carries one frame
// behind its header per read and write, and owns it.
func newDevice(fd int, info link.Info) (*Device, error) {
	d := &Device{file: os.NewFile(uintptr(fd), tunPath), info: info}
	// A descriptor the poller did not take would make Read block for ever.
	err := d.file.SetReadDeadline(time.Time{})
	if err == nil {
		d.conn, err = d.file.SyscallConn()
	}
	if err != nil {
		d.file.Close()
		return nil, fmt.Errorf("tap %s: %w", info.Name, err)
	}
	d.rx.iov[0], d.rx.iov[2] = d.rx.hdr[:], d.rx.spill[:]
	d.tx.iov[0] = d.tx.hdr[:]
	d.rx.step, d.tx.step = d.readReady, d.writeAll
	return d, nil
}

// create is the command line that makes a TAP the calling user may open.
func create(name string) string {
	if name == "" {
		name = "tap0"
	}
	return fmt.Sprintf("sudo ip tuntap add dev %s mode tap user $USER; sudo ip link set %s up", name, name)
}

func openError(name string, err error) error {
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return fmt.Errorf("tap %s: this system has no %s; run: sudo modprobe tun (in a container: --device %s): %w", name, tunPath, tunPath, err)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return fmt.Errorf("tap %s: %s may not be opened; run: sudo chmod 0666 %s; %s: %w", name, tunPath, tunPath, create(name), err)
	}
	return fmt.Errorf("tap %s: open %s: %w", name, tunPath, err)
}

func attachError(name string, exists bool, err error) error {
	switch {
	case errors.Is(err, unix.EPERM) && exists:
		return fmt.Errorf("tap %s: the interface belongs to another user; run: sudo ip tuntap del dev %s mode tap; %s: %w", name, name, create(name), err)
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("tap %s: creating it needs CAP_NET_ADMIN; run: %s: %w", name, create(name), err)
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("tap %s: another process has it open: %w", name, err)
	case errors.Is(err, unix.EINVAL) && exists:
		return fmt.Errorf("tap %s: the interface is no TAP with one queue (see: ip tuntap): %w", name, err)
	}
	return fmt.Errorf("tap %s: TUNSETIFF: %w", name, err)
}
