package mtest

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/seed88948545/vimage/internal/wire"
)

// The limits of what a line may ask for.
const (
	MaxSources = 16384
	maxSleep   = 1_000_000 // seconds
)

// command is a line that was understood.
type command struct {
	verb    byte
	group   netip.Addr
	ifi     string
	source  netip.Addr   // of j and l not valid: all
	sources []netip.Addr // of i and e: those on the line
	n       int          // of i, e and g: how many; of s: seconds
	mac     wire.MAC
	on      bool
	file    string
}

// verbs says what each command is given: g a group, i an interface, s a source, S
// perhaps one, n a number of sources, N that and the sources, m a MAC address, o on
// or off, t a time, f a file.
func verbs(verb byte) (args string, known bool) {
	switch verb {
	case 'j', 'l':
		return "giS", true
	case 'i', 'e':
		return "giN", true
	case 't', 'b':
		return "gis", true
	case 'g':
		return "gin", true
	case 'a', 'd':
		return "im", true
	case 'm', 'p':
		return "io", true
	case 's':
		return "t", true
	case 'f':
		return "f", true
	case '?', 'q':
		return "", true
	}
	return "", false
}

// usage says how a command is written.
func usage(verb byte) string {
	args, _ := verbs(verb)
	s := string(verb)
	for _, a := range args {
		s += " " + map[rune]string{'g': "GROUP", 'i': "IF", 's': "SOURCE", 'S': "[SOURCE]", 'n': "N", 'N': "N SOURCE…", 'm': "MAC", 'o': "1/0", 't': "SECONDS", 'f': "FILE"}[a]
	}
	return s
}

// parse reads a line that is not empty.
func parse(line string) (c command, err error) {
	c.verb = line[0]
	args, known := verbs(c.verb)
	if !known {
		return c, fmt.Errorf("%.20q is no command: ? lists them", line)
	}
	if c.verb == 'f' {
		if c.file = strings.TrimSpace(line[1:]); c.file == "" {
			return c, errors.New("write " + usage(c.verb))
		}
		return c, nil
	}
	words := strings.Fields(line[1:])
	for _, a := range args {
		if len(words) == 0 {
			if a == 'S' {
				return c, nil
			}
			return c, errors.New("write " + usage(c.verb))
		}
		if err := c.arg(a, words[0]); err != nil {
			return c, err
		}
		words = words[1:]
		if a == 'N' {
			return c, c.list(words)
		}
	}
	if len(words) > 0 {
		return c, fmt.Errorf("%.40q is too much: write %s", words[0], usage(c.verb))
	}
	return c, nil
}

// arg reads one argument.
func (c *command) arg(kind rune, s string) (err error) {
	switch kind {
	case 'g':
		c.group, err = address(s)
	case 'i':
		c.ifi = s
	case 's', 'S':
		c.source, err = address(s)
		if err == nil && c.source.Is6() != c.group.Is6() {
			err = fmt.Errorf("%v and %v are of different families", c.group, c.source)
		}
	case 'n', 'N':
		c.n, err = number(s, 0, MaxSources)
	case 't':
		c.n, err = number(s, 1, maxSleep)
	case 'm':
		var m net.HardwareAddr
		if m, err = net.ParseMAC(strings.ReplaceAll(s, ".", ":")); err != nil || len(m) != len(c.mac) {
			return fmt.Errorf("%.40q is no Ethernet address, such as 01:00:5e:00:00:05", s)
		}
		c.mac = wire.MAC(m)
	case 'o':
		if s != "0" && s != "1" {
			return fmt.Errorf("%.40q: write 1 for on, 0 for off", s)
		}
		c.on = s == "1"
	}
	return err
}

// list reads the sources that stand on the line.
func (c *command) list(words []string) error {
	if len(words) > c.n {
		return fmt.Errorf("%d sources, %d were announced", len(words), c.n)
	}
	for _, s := range words {
		if err := c.listed(s); err != nil {
			return err
		}
	}
	return nil
}

// listed adds a source.
func (c *command) listed(s string) error {
	a, err := address(s)
	if err != nil {
		return err
	}
	if a.Is6() != c.group.Is6() {
		return fmt.Errorf("%v and %v are of different families", c.group, a)
	}
	c.sources = append(c.sources, a)
	return nil
}

func address(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return a, fmt.Errorf("%.60q is no address", s)
	}
	return a.Unmap(), nil
}

func number(s string, least, most int) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("%.40q: must be a number from %d to %d", s, least, most)
	}
	return n, nil
}
