package radv

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/seed88948545/vimage/internal/wire"
)

// TestRFC4861Section6_2_1 tries the bounds of every field.
func TestRFC4861Section6_2_1(t *testing.T) {
	pfx := netip.MustParsePrefix
	for _, c := range []struct {
		change func(c *Config)
		want   string // the error, "" if it is right
	}{
		{func(c *Config) {}, ""},
		{func(c *Config) { c.MaxInterval = 3 }, "radv: MaxInterval must be 4 to 65535"},
		{func(c *Config) { c.MaxInterval = 65536 }, "radv: MaxInterval must be 4 to 65535"},
		{func(c *Config) { c.MinInterval, c.MaxInterval = 3, 4 }, ""},
		{func(c *Config) { c.MinInterval = 2 }, "radv: MinInterval must be 3 to 450"},
		{func(c *Config) { c.MinInterval = 451 }, "radv: MinInterval must be 3 to 450"},
		{func(c *Config) { c.MinInterval = 450 }, ""},
		{func(c *Config) { c.Lifetime = 599 }, "radv: Lifetime must be 0 or 600 to 65535"},
		{func(c *Config) { c.Lifetime = 65536 }, "radv: Lifetime must be 0 or 600 to 65535"},
		{func(c *Config) { c.Lifetime = -1 }, "radv: Lifetime must be 0 or 600 to 65535"},
		{func(c *Config) { c.Lifetime = 65535 }, ""},
		{func(c *Config) { c.Lifetime = 0 }, ""},
		{func(c *Config) { c.Preference = 2 }, "radv: Preference must be -1 to 1"},
		{func(c *Config) { c.Preference, c.Lifetime = 1, 0 }, "radv: Preference must be 0 where Lifetime is 0"},
		{func(c *Config) { c.Reachable = 3600001 }, "radv: Reachable must be 0 to 3600000"},
		{func(c *Config) { c.MTU = 1279 }, "radv: MTU must be 0 or 1280 to 65535"},
		{func(c *Config) { c.MTU = 65536 }, "radv: MTU must be 0 or 1280 to 65535"},
		{func(c *Config) { c.MTU = 1280 }, ""},
		{func(c *Config) { c.Prefixes = []wire.NDPrefix{{}} }, "radv: Prefixes[0].Prefix must be an IPv6 prefix that is neither link-local nor multicast"},
		{func(c *Config) { c.Prefixes = []wire.NDPrefix{{Prefix: pfx("10.0.0.0/8")}} }, "radv: Prefixes[0].Prefix must be"},
		{func(c *Config) {
			c.Prefixes = []wire.NDPrefix{{Prefix: pfx("2001:db8::/64")}, {Prefix: pfx("fe80::/64")}}
		}, "radv: Prefixes[1].Prefix must be"},
		{func(c *Config) {
			c.Prefixes = []wire.NDPrefix{{Prefix: pfx("2001:db8::/64"), Valid: 7, Preferred: 8}}
		}, "radv: Prefixes[0].Preferred must be 0 to 7, its Valid"},
		{func(c *Config) { c.Routes = []wire.NDRoute{{Prefix: pfx("ff00::/8")}} }, "radv: Routes[0].Prefix must be"},
		{func(c *Config) { c.Routes = []wire.NDRoute{{Prefix: pfx("::/0"), Preference: -2}} }, "radv: Routes[0].Preference must be -1 to 1"},
		{func(c *Config) { c.Routes = []wire.NDRoute{{Prefix: pfx("::/0"), Preference: -1}} }, ""},
		{func(c *Config) { c.RDNSS = []Servers{{}} }, "radv: RDNSS[0].Addrs must be a list of 1 to 127"},
		{func(c *Config) { c.RDNSS = []Servers{{1, []netip.Addr{netip.MustParseAddr("fe80::1%a")}}} }, "radv: RDNSS[0].Addrs[0] must be an IPv6 unicast address"},
		{func(c *Config) { c.RDNSS = []Servers{{1, make([]netip.Addr, 200)}} }, "radv: RDNSS[0].Addrs[0] must be an IPv6 unicast address"},
		{func(c *Config) { c.DNSSL = []Domains{{1, []string{"a..b"}}} }, "radv: DNSSL[0].Names must be a list of domain names with labels of 1 to 63 bytes"},
		{func(c *Config) {
			for range 40 {
				c.Prefixes = append(c.Prefixes, wire.NDPrefix{Prefix: pfx("2001:db8::/64")})
			}
		}, "radv: Config must be shorter: its message has 1304 bytes, and may have 1240"},
	} {
		cfg := DefaultConfig()
		c.change(&cfg)
		err := cfg.Validate()
		var ce *ConfigError
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%v, wanted no error", err)
		case c.want != "" && (!errors.As(err, &ce) || !strings.HasPrefix(err.Error(), c.want)):
			t.Errorf("%v, want %s", err, c.want)
		}
		if c.want != "" {
			r := NewRouter(1)
			if r.Start(0, &cfg, Link{}) == nil || r.Running() {
				t.Errorf("started in spite of %s", c.want)
			}
		}
	}
}
