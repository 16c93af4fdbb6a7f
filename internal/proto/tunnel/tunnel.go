package tunnel

import (
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/table"
	"github.com/seed88948545/vimage/internal/wire"
)

// Kind says what is put into what.
type Kind uint8

// Kinds of tunnel.
const (
	GIF    Kind = iota + 1 // IP in IP
	GRE                    // IP in GRE
	GRETAP                 // Ethernet in GRE
	VXLAN                  // Ethernet in VXLAN
)

var kindNames = [...]string{"none", "gif", "gre", "gretap", "vxlan"}

// String names the kind as configurations do.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// Ethernet tells whether frames go through, else IP packets.
func (k Kind) Ethernet() bool { return k == GRETAP || k == VXLAN }

// Config says what one end of a tunnel is like.
type Config struct {
	Kind          Kind
	Local, Remote netip.Addr // of outer packets; Remote of VXLAN may be a group, to which goes what is for many
	HasKey        bool       // GRE: there is a key, and none but packets with it are taken
	Key           uint32
	Checksum      bool   // GRE: packets are summed, and those without a sum refused
	Sequence      bool   // GRE: packets are numbered, and those that are late refused
	VNI           uint32 // VXLAN: the network, 24 bits
	Port          uint16 // VXLAN: 0 means 4789
	TTL           uint8  // 0: the stack's, for VXLAN 64
	NoLearning    bool   // VXLAN: everything goes to Remote
}

// Check fills in what has a default. EINVAL for a configuration that cannot be,
// EADDRNOTAVAIL for an address that is not one host's, or may not be a group, and
// EDESTADDRREQ where Remote is missing.
func (c *Config) Check() syscall.Errno {
	switch {
	case c.Kind < GIF || c.Kind > VXLAN, c.Local.IsValid() && c.Remote.IsValid() && c.Local.Is4() != c.Remote.Is4():
		return syscall.EINVAL
	case c.Kind != GRE && c.Kind != GRETAP && (c.HasKey || c.Checksum || c.Sequence), !c.HasKey && c.Key != 0:
		return syscall.EINVAL
	case c.Kind != VXLAN && (c.VNI != 0 || c.Port != 0 || c.NoLearning), c.VNI > wire.MaxVNI:
		return syscall.EINVAL
	case !c.Remote.IsValid():
		return syscall.EDESTADDRREQ
	case !isHost(c.Local), !isHost(c.Remote) && !(c.Kind == VXLAN && c.Remote.IsMulticast()):
		return syscall.EADDRNOTAVAIL
	}
	if c.Kind == VXLAN && c.Port == 0 {
		c.Port = wire.VXLANPort
	}
	return 0
}

func isHost(a netip.Addr) bool {
	return a.IsValid() && !a.Is4In6() && !a.IsUnspecified() && !a.IsMulticast() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// proto returns the upper layer of outer packets: of gif, that of IPv4 in them.
func (c *Config) proto() uint8 {
	switch c.Kind {
	case GIF:
		return wire.ProtoIPv4
	case VXLAN:
		return wire.ProtoUDP
	}
	return wire.ProtoGRE
}

// Overhead returns by how much a packet is longer outside than inside, in bytes: with
// the headers of the frame in which it is, where frames go through.
func (c *Config) Overhead() int {
	n := wire.IPv4Len
	if c.Local.Is6() {
		n = wire.IPv6Len
	}
	switch c.Kind {
	case GIF:
		return n
	case VXLAN:
		return n + wire.UDPLen + wire.VXLANLen + wire.EtherLen
	}
	h := c.gre(0)
	if c.Kind == GRETAP {
		n += wire.EtherLen
	}
	return n + h.Len()
}

// MTU returns that of the interface where none is given: what fits into Ethernet's
// 1,500 bytes, for gif the least that carries IPv6.
func (c *Config) MTU() int {
	if c.Kind == GIF {
		return 1280
	}
	return 1500 - c.Overhead()
}

func (c *Config) gre(typ uint16) wire.GREHeader {
	return wire.GREHeader{Type: typ, Checksum: c.Checksum, HasKey: c.HasKey, Key: c.Key, Sequence: c.Sequence}
}

// Tunnel is one end of a tunnel.
type Tunnel struct {
	Config
	id    uint16 // of the next outer packet of IPv4
	seq   uint32 // of the next GRE packet
	heard bool   // a GRE packet with a number
	next  uint32 // that will not be late
	macs  macs
	stats Stats
}

// New returns the end of a tunnel whose configuration was checked.
func New(c Config, seed table.Seed, random uint64) *Tunnel {
	return &Tunnel{Config: c, id: uint16(random), macs: macs{seed: seed}}
}

// Stats returns what was counted.
func (t *Tunnel) Stats() Stats { return t.stats }

// Drop says why a packet was refused.
type Drop uint8

// The reasons.
const (
	NotDropped  Drop = iota
	Unsupported      // neither a packet nor a frame that can go through
	Looped           // it has been put into this tunnel before
	BadHeader        // the tunnel's header, or what is in it, cannot be
	BadChecksum      // the tunnel header's
	NotOurs          // another tunnel's: key or network
	Late             // GRE: a later one was here before
	Congested        // marked on its way, and its sender would not understand
)

var dropNames = [...]string{"no", "unsupported", "looped", "bad header", "bad checksum", "not ours", "late", "congested"}

// String names the reason.
func (d Drop) String() string { return dropNames[d] }
