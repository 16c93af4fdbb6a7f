package linuxlab

import (
	"encoding/binary"
	"errors"
	"net"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// LimitGroups lets a port of the bridge have so many entries in the database, which
// iproute2 cannot yet say in all distributions. It is false where the kernel has no
// such limit.
func LimitGroups(t testing.TB, port string, entries int) bool {
	t.Helper()
	ifi, err := net.InterfaceByName(port)
	if err != nil {
		t.Fatal(err)
	}
	attribute := func(typ uint16, value []byte) []byte {
		b := binary.NativeEndian.AppendUint16(nil, uint16(unix.SizeofRtAttr+len(value)))
		return append(binary.NativeEndian.AppendUint16(b, typ), value...)
	}
	body := make([]byte, unix.SizeofIfInfomsg)
	body[0] = unix.AF_BRIDGE
	binary.NativeEndian.PutUint32(body[4:], uint32(ifi.Index))
	limit := attribute(unix.IFLA_BRPORT_MCAST_MAX_GROUPS, binary.NativeEndian.AppendUint32(nil, uint32(entries)))
	body = append(body, attribute(unix.IFLA_PROTINFO|unix.NLA_F_NESTED, limit)...)
	head := binary.NativeEndian.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+len(body)))
	head = binary.NativeEndian.AppendUint16(head, unix.RTM_SETLINK)
	head = binary.NativeEndian.AppendUint16(head, unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	head = append(head, make([]byte, 8)...)
	switch err := netlink(append(head, body...)); {
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EINVAL):
		return false
	case err != nil:
		t.Fatal(err)
	}
	return true
}

// netlink makes a request of the kernel and returns what it says to that.
func netlink(request []byte) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	b := make([]byte, 4096)
	n, _, err := unix.Recvfrom(fd, b, 0)
	if err != nil {
		return err
	}
	messages, err := syscall.ParseNetlinkMessage(b[:n])
	if err != nil || len(messages) == 0 || messages[0].Header.Type != unix.NLMSG_ERROR || len(messages[0].Data) < 4 {
		return errors.Join(err, errors.New("no answer to a netlink request"))
	}
	if e := int32(binary.NativeEndian.Uint32(messages[0].Data)); e != 0 {
		return unix.Errno(-e)
	}
	return nil
}
