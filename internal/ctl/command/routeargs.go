package command

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed88948545/vimage/client"
)

// routeArgs is what the arguments of route say, behind the verb.
type routeArgs struct {
	family  string
	fibs    string
	net     bool
	host    bool
	iface   bool // the gateway is an interface
	quiet   bool
	netmask string
	length  string
	route   client.Route
	dst     string // as it was written, as is the gateway
	gateway string

	lookup func(name, family string) (netip.Addr, error) // address of a host
}

func routeModifiers() []string {
	return []string{
		"-4", "-6", "-blackhole", "-dst", "-expire", "-fib", "-gateway", "-host", "-iface", "-ifp", "-inet", "-inet6", "-interface",
		"-metric", "-mtu", "-n", "-net", "-netmask", "-prefixlen", "-q", "-reject", "-static", "-v",
	}
}

// parse reads modifiers and operands in any order.
func (a *routeArgs) parse(args []string) error {
	var operands []string
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		if !strings.HasPrefix(arg, "-") {
			operands = append(operands, arg)
			continue
		}
		if a.flag(arg) {
			continue
		}
		if !slices.Contains(routeModifiers(), arg) {
			return fmt.Errorf("bad keyword: %s", arg[1:])
		}
		if len(args) == 0 {
			return fmt.Errorf("%s needs a value", arg)
		}
		if err := a.value(arg, args[0]); err != nil {
			return err
		}
		args = args[1:]
	}
	for i, to := range []*string{&a.dst, &a.gateway, &a.netmask} {
		if i < len(operands) {
			*to = operands[i]
		}
	}
	if len(operands) > 3 {
		return fmt.Errorf("bad keyword: %s", operands[3])
	}
	return nil
}

// flag reads a modifier without a value, if it is one.
func (a *routeArgs) flag(arg string) bool {
	switch arg {
	case "-4", "-inet":
		a.family = "inet"
	case "-6", "-inet6":
		a.family = "inet6"
	case "-net":
		a.net = true
	case "-host":
		a.host = true
	case "-interface", "-iface":
		a.iface = true
	case "-reject":
		a.route.Reject = true
	case "-blackhole":
		a.route.Blackhole = true
	case "-q":
		a.quiet = true
	case "-n", "-v", "-static":
	default:
		return false
	}
	return true
}

// value reads a modifier with a value.
func (a *routeArgs) value(arg, v string) error {
	switch arg {
	case "-fib":
		a.fibs = v
		return nil
	case "-dst":
		a.dst = v
		return nil
	case "-gateway":
		a.gateway = v
		return nil
	case "-ifp":
		a.route.Interface = v
		return nil
	case "-netmask":
		a.netmask = v
		return nil
	case "-prefixlen":
		a.length = v
		return nil
	}
	n, err := strconv.ParseUint(v, 10, 31)
	if err != nil {
		return fmt.Errorf("%s: bad number: %s", arg, v)
	}
	switch arg {
	case "-mtu":
		a.route.MTU = int(n)
	case "-metric":
		a.route.Metric = uint32(n)
	default:
		a.route.Expire = time.Duration(n) * time.Second
	}
	return nil
}

// badAddress is an address that cannot be read.
type badAddress string

// Error implements error.
func (b badAddress) Error() string { return "bad address: " + string(b) }

// resolve makes a route of what was said, and tells whether it is to a host.
func (a *routeArgs) resolve() (host bool, err error) {
	if a.gateway != "" {
		if a.iface {
			a.route.Interface = a.gateway
		} else if a.route.Gateway, _, err = a.addr(a.gateway, a.family); err != nil {
			return false, err
		}
	}
	six := a.family == "inet6" || a.family == "" && (strings.Contains(a.dst, ":") || a.route.Gateway.Is6())
	if a.route.Dst, host, err = a.destination(six); err != nil {
		return false, err
	}
	a.dst, _, _ = strings.Cut(a.dst, "/")
	if a.route.Reject || a.route.Blackhole {
		a.route.Gateway, a.route.Interface = netip.Addr{}, "" // nothing goes there
	}
	return host, nil
}

// addr reads an address, or the name of a host.
func (a *routeArgs) addr(text, family string) (addr netip.Addr, named bool, err error) {
	if addr, err = netip.ParseAddr(text); err == nil {
		return addr, false, nil
	}
	if addr, err = a.lookup(text, family); err != nil {
		return addr, false, badAddress(text)
	}
	return addr, true, nil
}

// destination reads the destination: bad addresses are told by badAddress.
func (a *routeArgs) destination(six bool) (p netip.Prefix, host bool, err error) {
	if a.dst == "default" {
		if six {
			return netip.PrefixFrom(netip.IPv6Unspecified(), 0), false, nil
		}
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0), false, nil
	}
	text, length, slash := strings.Cut(a.dst, "/")
	if !slash {
		length = a.length
	}
	if !six && (slash || a.net || length != "" || a.netmask != "") {
		text += strings.Repeat(".0", max(3-strings.Count(text, "."), 0)) // 10/8
	}
	family := a.family
	if six {
		family = "inet6"
	}
	addr, named, err := a.addr(text, family)
	if err != nil || addr.Is6() != six && (six || family != "") {
		return p, false, badAddress(a.dst)
	}
	a.host = a.host || named
	bits, err := a.bits(addr, length)
	if err != nil {
		return p, false, err
	}
	if p = netip.PrefixFrom(addr.WithZone(""), bits); !p.IsValid() {
		return p, false, badAddress(a.dst)
	}
	return p.Masked(), bits == addr.BitLen() && !a.net && !slash, nil
}

// bits returns the length of the destination: what was said, or what addresses of old
// imply.
func (a *routeArgs) bits(addr netip.Addr, length string) (int, error) {
	switch {
	case length != "":
		n, err := strconv.Atoi(length)
		if err != nil {
			return 0, badAddress(a.dst)
		}
		return n, nil
	case a.netmask != "":
		return maskLen(a.netmask)
	case a.host:
		return addr.BitLen(), nil
	case addr.Is6():
		if half := netip.PrefixFrom(addr, 64).Masked(); a.net || half.Addr() == addr {
			return 64, nil
		}
		return 128, nil
	}
	class := 24
	switch b := addr.As4()[0]; {
	case b < 128:
		class = 8
	case b < 192:
		class = 16
	}
	if a.net || netip.PrefixFrom(addr, class).Masked().Addr() == addr {
		return class, nil
	}
	return 32, nil
}

// maskLen returns the length that a mask means.
func maskLen(mask string) (int, error) {
	m, err := netip.ParseAddr(mask)
	if err != nil {
		return 0, badAddress(mask)
	}
	n, ended := 0, false
	for _, b := range m.AsSlice() {
		for bit := byte(0x80); bit != 0; bit >>= 1 {
			switch {
			case b&bit == 0:
				ended = true
			case ended:
				return 0, fmt.Errorf("bad netmask: %s: its ones are not in front", mask)
			default:
				n++
			}
		}
	}
	return n, nil
}
