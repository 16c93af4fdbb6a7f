package vimage

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/jail"
	"github.com/seed88948545/vimage/internal/vnet"
)

// FIB returns a handle on the same stack whose sockets use routing table n. It
// returns an error where there is no such table: see SetFIBs.
func (s *Stack) FIB(n int) (*Stack, error) {
	if n < 0 || n >= s.st.FIBs() {
		return nil, s.noFIB(strconv.Itoa(n), syscall.EINVAL)
	}
	return &Stack{w: s.w, st: s.st, fib: n, cred: s.cred}, nil
}

func (s *Stack) noFIB(what string, e syscall.Errno) error {
	return &ConfigError{"fib", what, fmt.Errorf("%w: %s has tables 0 to %d", e, s.Name(), s.st.FIBs()-1)}
}

// FIBNumber returns the number of the routing table that the handle's sockets use (the
// sysctl net.my_fibnum).
func (s *Stack) FIBNumber() int { return s.fib }

// FIBs returns the number of routing tables (the sysctl net.fibs).
func (s *Stack) FIBs() int { return s.st.FIBs() }

// SetFIBs sets the number of routing tables, 1 at first and 65,536 at most. It can only
// grow. The routes of interfaces are in all tables, also those that come later, and cost
// the same for any number; with the sysctl net.add_addr_allfibs at 0, those that are
// installed from then on are in their interface's table only.
func (s *Stack) SetFIBs(n int) error {
	if err := s.may(jail.NetConfig, "set fibs", s.Name()); err != nil {
		return err
	}
	return wrapConfig("set fibs", strconv.Itoa(n), control.SetFIBs(s.st, n))
}

// fibNames is the names that the tables of the stacks of a world have.
type fibNames map[*vnet.Stack]map[string]int

// NameFIB gives a routing table a name, which is good wherever text names a table:
// see ParseFIB. An empty name takes the table's name away. The error is around EINVAL
// for a table that does not exist, and for a name that begins with a digit or a sign or
// has a blank or one of / : , in it; EEXIST where another table has the name; ENXIO where
// the stack has been removed.
func (s *Stack) NameFIB(n int, name string) error {
	if err := s.may(jail.NetConfig, "name fib", name); err != nil {
		return err
	}
	if n < 0 || n >= s.st.FIBs() {
		return s.noFIB(strconv.Itoa(n), syscall.EINVAL)
	}
	if name != "" && (strings.ContainsAny(name, " \t\n/:,") || strings.ContainsAny(name[:1], "0123456789+-")) {
		return &ConfigError{"name fib", strconv.Quote(name), fmt.Errorf("%w: a name begins with a letter and has no blank and none of / : ,", syscall.EINVAL)}
	}
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	if s.st.Closed() {
		return wrapConfig("name fib", name, syscall.ENXIO)
	}
	if at, taken := s.w.fibNames[s.st][name]; taken && at != n {
		return &ConfigError{"name fib", name, fmt.Errorf("%w: table %d is called that", syscall.EEXIST, at)}
	}
	if s.w.fibNames == nil {
		s.w.fibNames = fibNames{}
	}
	s.w.fibNames.set(s.st, n, name)
	return nil
}

func (f fibNames) set(st *vnet.Stack, n int, name string) {
	all := f[st]
	if old := nameOf(all, n); old != "" {
		delete(all, old)
	}
	if name == "" {
		return
	}
	if all == nil {
		all = map[string]int{}
		f[st] = all
	}
	all[name] = n
}

func nameOf(all map[string]int, n int) string {
	for name, at := range all {
		if at == n { // there is one at most
			return name
		}
	}
	return ""
}

// FIBName returns the name of a routing table, "" if it has none.
func (s *Stack) FIBName(n int) string {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	return nameOf(s.w.fibNames[s.st], n)
}

// ParseFIB returns the number of the routing table that text names: by its name, or by
// its number in decimal. The error is around EINVAL for a number that no table has, and
// ENOENT for a name.
func (s *Stack) ParseFIB(text string) (int, error) {
	s.w.mu.Lock()
	n, named := s.w.fibNames[s.st][text]
	s.w.mu.Unlock()
	if named {
		return n, nil
	}
	n, err := strconv.Atoi(text)
	switch {
	case err != nil:
		return 0, s.noFIB(strconv.Quote(text), syscall.ENOENT)
	case n < 0 || n >= s.st.FIBs():
		return 0, s.noFIB(text, syscall.EINVAL)
	}
	return n, nil
}

// FIBByName is FIB for a table as text names it: see ParseFIB.
func (s *Stack) FIBByName(text string) (*Stack, error) {
	n, err := s.ParseFIB(text)
	if err != nil {
		return nil, err
	}
	return s.FIB(n)
}

// SetFIB changes the routing table that the socket uses (SO_SETFIB), from its next packet
// on. The error is around EINVAL where there is no such table.
func (c *packetConn) SetFIB(n int) error {
	return c.optErr("set", "setsockopt", c.s.SetFIB(n))
}

// FIB returns the routing table that the socket uses.
func (c *packetConn) FIB() int { return c.s.FIB() }
