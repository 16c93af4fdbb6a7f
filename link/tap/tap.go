package tap

import (
	"net"

	"github.com/seed88948545/vimage/link"
)

// Config says which TAP to open.
type Config struct {
	// Name is the interface's name, at most 15 bytes. Together with Create it
	// may contain %d, or be empty for "tap%d": the kernel puts the lowest free
	// number there.
	Name string
	// Create makes the interface if there is none of that name, which needs
	// CAP_NET_ADMIN. It goes away when the Device is closed.
	Create bool
	// NoOffload has the kernel complete checksums and cut super-segments before
	// they are read, so that frames have at most MTU+18 bytes.
	NoOffload bool
}

// Stats counts what a Device has moved and lost since it was opened.
type Stats struct {
	RxFrames    uint64 `stat:"tap.rx_frames"`     // frames returned by Read
	RxShort     uint64 `stat:"tap.rx_short"`      // skipped: shorter than an Ethernet header
	RxTruncated uint64 `stat:"tap.rx_truncated"`  // skipped: longer than the room given
	RxBadHeader uint64 `stat:"tap.rx_bad_header"` // skipped: vnet_hdr unknown or contradicting the frame
	TxFrames    uint64 `stat:"tap.tx_frames"`     // frames the kernel took
	TxShort     uint64 `stat:"tap.tx_short"`      // lost: shorter than an Ethernet header
	TxTooLong   uint64 `stat:"tap.tx_too_long"`   // lost: longer than the MTU, or than any super-segment
	TxBadMeta   uint64 `stat:"tap.tx_bad_meta"`   // lost: Meta contradicts the frame
	TxBusy      uint64 `stat:"tap.tx_busy"`       // lost: the kernel had no room (EAGAIN, ENOBUFS, ENOMEM)
	TxDown      uint64 `stat:"tap.tx_down"`       // lost: the interface is administratively down
	TxRefused   uint64 `stat:"tap.tx_refused"`    // lost: refused for any other reason
}

var _ link.Device = (*Device)(nil)

const (
	etherLen = 14
	// linkRoom is what a frame may have beyond its IP packet: an Ethernet
	// header and an IEEE 802.1Q tag.
	linkRoom = etherLen + tagLen
	// maxSuper is the longest super-segment: the longest IP packet, which is one of
	// IPv6 (RFC 8200 §3), on Ethernet.
	maxSuper = 40 + 65535 + linkRoom
)

// suggestMAC derives from the address of the kernel's end one for ours: unicast,
// locally administered, the same for the same kernel address, and different
// from it, because two stations share this wire.
func suggestMAC(kernel net.HardwareAddr) net.HardwareAddr {
	if len(kernel) != 6 {
		return nil
	}
	m := append(net.HardwareAddr(nil), kernel...)
	m[0] = m[0]&^0x01 | 0x02
	m[0] ^= 0x40
	return m
}
