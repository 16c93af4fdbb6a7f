package jail

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
)

// How parameters are written.

func itoa(n int) string { return strconv.Itoa(n) }

func onOff(on bool) string {
	if on {
		return "1"
	}
	return "0"
}

func boolMode(own bool) Mode {
	if own {
		return New
	}
	return Inherit
}

func list(v string) []string {
	return strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ' ' })
}

func addrs(f *Family) string {
	all := make([]string, len(f.Addrs))
	for i, a := range f.Addrs {
		all[i] = a.String()
	}
	return strings.Join(all, ",")
}

// boolean reads a parameter that is on or off: jail.conf has them without a value,
// too.
func boolean(of func(*Config) *bool) func(*Config, string) error {
	return func(c *Config, v string) error {
		switch v {
		case "", "1", "true":
			*of(c) = true
		case "0", "false":
			*of(c) = false
		default:
			return errors.New("write 1 or 0")
		}
		return nil
	}
}

func number(of func(*Config) *int) func(*Config, string) error {
	return func(c *Config, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 {
			return errors.New("write a number")
		}
		*of(c) = n
		return nil
	}
}

func parseVNET(c *Config, v string) error {
	switch v {
	case "", "new": // the form of jail.conf without a value
		c.VNET = true
	case "inherit":
		c.VNET = false
	default:
		return errors.New("write new or inherit")
	}
	return nil
}

func mode(of func(*Config) *Family) func(*Config, string) error {
	return func(c *Config, v string) error {
		for i, m := range modes {
			if m != v {
				continue
			}
			f := of(c)
			if f.Mode = Mode(i); f.Mode != New {
				f.Addrs = nil
			}
			return nil
		}
		return errors.New("write inherit, new or disable")
	}
}

// family reads a list of addresses, which says that the family is a new one.
func family(of func(*Config) *Family, is4 bool) func(*Config, string) error {
	return func(c *Config, v string) error {
		var all []netip.Addr
		for _, s := range list(v) {
			a, err := netip.ParseAddr(s)
			switch {
			case err != nil:
				return err
			case a.Is4() != is4:
				return errors.New("it is an address of the other family")
			}
			all = append(all, a)
		}
		*of(c) = Family{New, all}
		return nil
	}
}
