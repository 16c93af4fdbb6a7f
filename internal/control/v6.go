package control

import (
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/proto/nd/auto"
	"github.com/seed88948545/vimage/internal/proto/nd/radv"
	"github.com/seed88948545/vimage/internal/vnet"
)

// AutoConfig says how an interface configures itself (RFC 4862).
type AutoConfig struct {
	Routers    bool // solicit routers and take what they advertise; not on one that forwards
	NoDefault  bool // but no default route
	Optimistic bool // use addresses while others are being asked (RFC 4429)
	Stable     bool // form addresses of RFC 7217 instead of the hardware address
	Network    string
	Secret     *[32]byte // of stable and temporary addresses; nil: there are none
}

// SetAuto lets an interface configure itself, or with nil no longer: what it has
// from routers is then withdrawn. It returns ENXIO where there is no such interface
// and EINVAL for lo0.
func SetAuto(st *vnet.Stack, ifIndex uint32, cfg *AutoConfig) syscall.Errno {
	st.Lock()
	defer st.Unlock()
	return st.IPv6(ifIndex, func(v6 *vnet.V6Call) syscall.Errno {
		if cfg == nil {
			if v6.Auto != nil {
				v6.Auto.Stop(v6.Now)
			}
			v6.Reconfigure()
			return 0
		}
		if v6.Auto == nil {
			h := auto.NewHost(v6.Random())
			v6.Auto = &h
			v6.Bind()
		}
		v6.Auto.Start(v6.Now, autoLink(v6, cfg))
		v6.Reconfigure()
		return 0
	})
}

// ReadAuto returns how an interface configures itself, nil where it does not.
func ReadAuto(st *vnet.Stack, ifIndex uint32) (cfg *AutoConfig) {
	st.On(ifIndex, func(c *vnet.Call) syscall.Errno {
		if c.V6 == nil {
			return 0
		}
		if l, ok := c.V6.Auto.Link(); ok {
			cfg = &AutoConfig{l.AcceptRA, l.NoRouters, l.Optimistic, l.Stable, l.Network, l.Secret}
		}
		return 0
	})
	return cfg
}

func autoLink(v6 *vnet.V6Call, cfg *AutoConfig) auto.Link {
	return auto.Link{
		MAC: v6.Conf.MAC, Transmits: uint8(v6.View.V().ND.DADCount), AcceptRA: cfg.Routers, LinkLocal: true, NoRouters: cfg.NoDefault,
		Optimistic: cfg.Optimistic, Stable: cfg.Stable, MTU: uint32(v6.Conf.MTU), Name: v6.Conf.Name, Network: cfg.Network, Secret: cfg.Secret,
	}
}

// Advertise has a router advertise itself on an interface, or with nil no longer:
// its last advertisement says so. It begins once the interface's link-local address
// may be used. It returns ENXIO where there is no such interface, EINVAL for lo0,
// and a *radv.ConfigError for what must not be advertised.
func Advertise(st *vnet.Stack, ifIndex uint32, cfg *radv.Config) error {
	if cfg != nil {
		if err := cfg.Validate(); err != nil {
			return err
		}
	}
	st.Lock()
	defer st.Unlock()
	e := st.IPv6(ifIndex, func(v6 *vnet.V6Call) syscall.Errno {
		was := v6.Radv
		if cfg == nil {
			if was != nil {
				was.Stop(v6.Now)
				v6.Listen(netip.IPv6LinkLocalAllRouters(), false, 0)
			}
			return 0
		}
		if was == nil {
			r := radv.NewRouter(v6.Random())
			v6.Radv = &r
			v6.Bind()
		}
		if was == nil || !was.Running() {
			v6.Listen(netip.IPv6LinkLocalAllRouters(), true, 0)
		}
		v6.Advert = cfg
		return advertise(v6)
	})
	if e != 0 {
		return e
	}
	return nil
}

// advertise lets the router of an interface begin, if it has one, and an address
// to do so from.
func advertise(v6 *vnet.V6Call) syscall.Errno {
	from := v6.Conf.Addrs.LinkLocal()
	if v6.Radv == nil || v6.Advert == nil || !from.IsValid() {
		return 0
	}
	if v6.Radv.Start(v6.Now, v6.Advert, radv.Link{MAC: v6.Conf.MAC, Addr: from}) != nil {
		return syscall.EINVAL
	}
	return 0
}
