package client

import (
	"context"
	"net/netip"
	"time"
)

// Interface is an interface of a jail's stack.
type Interface struct {
	Name      string          `json:"name"`
	Index     int             `json:"index"`
	Kind      string          `json:"kind" doc:"ether, lo, epair, tun, gif, gre, gretap, vxlan or link"`
	Flags     []string        `json:"flags" doc:"By their names in ifconfig: UP, BROADCAST, RUNNING …"`
	MTU       int             `json:"mtu"`
	Ether     string          `json:"ether,omitempty" doc:"Hardware address"`
	FIB       int             `json:"fib" doc:"Routing table of what comes in"`
	Addresses []InterfaceAddr `json:"addresses"`
	Tunnel    *Tunnel         `json:"tunnel,omitempty"`
	Counters  Counters        `json:"counters"`
}

// Has tells whether the interface has a flag.
func (i *Interface) Has(flag string) bool {
	for _, f := range i.Flags {
		if f == flag {
			return true
		}
	}
	return false
}

// Counters is what an interface has counted.
type Counters struct {
	InPackets  uint64 `json:"received-packets"`
	InBytes    uint64 `json:"received-bytes"`
	InMcast    uint64 `json:"received-multicasts"`
	InDrops    uint64 `json:"dropped-packets"`
	OutPackets uint64 `json:"sent-packets"`
	OutBytes   uint64 `json:"sent-bytes"`
	OutMcast   uint64 `json:"sent-multicasts"`
}

// InterfaceAddr is an address of an interface.
type InterfaceAddr struct {
	Prefix    netip.Prefix  `json:"prefix" doc:"The address with its subnet" example:"192.0.2.1/24"`
	Peer      *netip.Addr   `json:"peer,omitempty" doc:"The other end of a point-to-point link"`
	Broadcast *netip.Addr   `json:"broadcast,omitempty"`
	Flags     []string      `json:"flags,omitempty" doc:"Of IPv6: tentative, duplicated, deprecated, autoconf, temporary, anycast, optimistic"`
	Preferred time.Duration `json:"preferred-ns,omitempty" doc:"Time until it is deprecated, of an autoconfigured one"`
	Valid     time.Duration `json:"valid-ns,omitempty" doc:"Time until it goes, of an autoconfigured one"`
}

// Tunnel is the outer side of a tunnel.
type Tunnel struct {
	Local      *netip.Addr `json:"local,omitempty" doc:"This end; none: the address that suits the way to the other"`
	Remote     netip.Addr  `json:"remote" doc:"The other end; of vxlan perhaps a group"`
	FIB        int         `json:"fib" doc:"Routing table of the outer packets" required:"false"`
	TTL        uint8       `json:"ttl,omitempty"`
	Key        *uint32     `json:"key,omitempty" doc:"Of gre"`
	Checksum   bool        `json:"checksum,omitempty" doc:"Of gre"`
	Sequence   bool        `json:"sequence,omitempty" doc:"Of gre"`
	VNI        uint32      `json:"vni,omitempty" doc:"Of vxlan" maximum:"16777215"`
	Port       uint16      `json:"port,omitempty" doc:"Of vxlan"`
	Interface  string      `json:"interface,omitempty" doc:"Of vxlan: leads to a group"`
	NoLearning bool        `json:"no-learning,omitempty" doc:"Of vxlan"`
}

// NewInterface says which interface is made.
type NewInterface struct {
	Change *InterfaceChange `json:"change,omitempty" doc:"What to change about it at once"`
	Name   string           `json:"name" doc:"A kind, such as epair, for the next number that is free; or one with its number" pattern:"^[a-z]+[0-9]*$" example:"epair"`
}

// AddAddr is an address that an interface is to have.
type AddAddr struct {
	Prefix    *netip.Prefix `json:"prefix,omitempty" doc:"The address with its subnet" pattern:"^[0-9A-Fa-f:.]+/[0-9]+$" example:"192.0.2.1/24"`
	Addr      *netip.Addr   `json:"addr,omitempty" doc:"Instead of prefix: an address of IPv4 in the subnet of its historic class"`
	Peer      *netip.Addr   `json:"peer,omitempty" doc:"The other end of a point-to-point link"`
	Broadcast *netip.Addr   `json:"broadcast,omitempty" doc:"Instead of the subnet's"`
	Anycast   bool          `json:"anycast,omitempty"`
	Replace   bool          `json:"replace,omitempty" doc:"In the place of the first address of IPv4"`
}

// InterfaceChange is what is to change about an interface; nil, and none, leave it as
// it is. All is done, or nothing.
type InterfaceChange struct {
	Reclaim     *string      `json:"reclaim,omitempty" doc:"Name or number of a jail below this one that it is taken back from, first"`
	Up          *bool        `json:"up,omitempty"`
	MTU         *int         `json:"mtu,omitempty" minimum:"68" maximum:"65535"`
	Ether       *string      `json:"ether,omitempty" doc:"Hardware address" pattern:"^([0-9A-Fa-f]{1,2}:){5}[0-9A-Fa-f]{1,2}$" example:"02:00:00:00:00:01"`
	FIB         *int         `json:"fib,omitempty" minimum:"0"`
	Promiscuous *bool        `json:"promiscuous,omitempty"`
	Carrier     *bool        `json:"carrier,omitempty"`
	ARP         *string      `json:"arp,omitempty" enum:"on,static,off"`
	Tunnel      *Tunnel      `json:"tunnel,omitempty" doc:"The whole outer side; its fib is that of the query"`
	TunnelFIB   *int         `json:"tunnel-fib,omitempty" minimum:"0"`
	NoTunnel    bool         `json:"no-tunnel,omitempty" doc:"Take the outer side away"`
	Delete      []netip.Addr `json:"delete,omitempty" doc:"Addresses that it is not to have any more"`
	Add         []AddAddr    `json:"add,omitempty"`
	Name        *string      `json:"name,omitempty" minLength:"1" maxLength:"64"`
	VNET        *string      `json:"vnet,omitempty" doc:"Name or number of a jail below this one that it moves to, last"`
}

type interfaceList struct {
	Interfaces []Interface `json:"interfaces"`
}

// Interfaces returns the interfaces of a jail's stack, by index.
func (c *Client) Interfaces(ctx context.Context, jail string) ([]Interface, error) {
	var l interfaceList
	return l.Interfaces, c.Do(ctx, "GET", jailPath(jail, "interfaces"), nil, nil, &l)
}

// InterfaceNames returns the names of the interfaces of a jail's stack, by index.
func (c *Client) InterfaceNames(ctx context.Context, jail string) ([]string, error) {
	var l struct {
		Names []string `json:"names"`
	}
	return l.Names, c.Do(ctx, "GET", jailPath(jail, "interface-names"), nil, nil, &l)
}

// Interface returns one interface.
func (c *Client) Interface(ctx context.Context, jail, name string) (Interface, error) {
	var i Interface
	return i, c.Do(ctx, "GET", jailPath(jail, "interfaces", name), nil, nil, &i)
}

// CreateInterface makes an interface: an epair, gif, gre, gretap, vxlan or tun. Of an
// epair it returns the end a. fib is as in ChangeInterface.
func (c *Client) CreateInterface(ctx context.Context, jail, fib string, n NewInterface) (Interface, error) {
	var i Interface
	return i, c.Do(ctx, "POST", jailPath(jail, "interfaces"), values("fib", fib), n, &i)
}

// ChangeInterface changes an interface. Tunnels are routed by the table fib, by number
// or name; "" is 0.
func (c *Client) ChangeInterface(ctx context.Context, jail, name, fib string, to InterfaceChange) error {
	return c.Do(ctx, "PATCH", jailPath(jail, "interfaces", name), values("fib", fib), to, nil)
}

// DestroyInterface removes an interface.
func (c *Client) DestroyInterface(ctx context.Context, jail, name string) error {
	return c.Do(ctx, "DELETE", jailPath(jail, "interfaces", name), nil, nil, nil)
}
