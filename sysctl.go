package vimage

import (
	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/jail"
)

// Sysctl describes a tunable, or a number that can only be read.
type Sysctl struct {
	Name        string
	Description string
	Value       int64
	Default     int64 // what it is in a stack where nobody has changed it
	Min, Max    int64
	ReadOnly    bool
	Global      bool // the world's, not the stack's: only vnet0 may change it
}

// SysctlValue is one of several numbers that make up the value of a sysctl, as the
// fields of a struct do.
type SysctlValue struct {
	Name  string
	Value int64
}

// Sysctls returns every sysctl of the stack that has a number for a value, sorted
// by name.
func (s *Stack) Sysctls() []Sysctl {
	all := control.Tunables(s.st, s.fib)
	list := make([]Sysctl, len(all))
	for i, t := range all {
		list[i] = Sysctl{t.Name, t.Desc, t.Value, t.Default, t.Min, t.Max, t.ReadOnly, t.Global}
	}
	return list
}

// SetSysctl changes a tunable of the stack by its name. No other stack changes. The
// error is around ENOENT for an unknown name, EPERM for what is read-only, or the
// world's and not asked for through vnet0, EINVAL for a value out of range.
func (s *Stack) SetSysctl(name string, value int64) error {
	if err := s.may(jail.Sysctl, "sysctl", name); err != nil {
		return err
	}
	return wrapConfig("sysctl", name, control.SetSysctl(s.st, name, value))
}

// Sysctl returns a tunable of the stack. The error is around ENOENT for an unknown
// name, and EINVAL where there is more than one number: see SysctlValues.
func (s *Stack) Sysctl(name string) (int64, error) {
	v, e := control.Sysctl(s.st, s.fib, name)
	return v, wrapConfig("sysctl", name, e)
}

// SysctlValues returns a sysctl whose value is a struct: statistics by protocol, as
// net.inet.igmp.stats; net.inet.igmp.ifinfo.INDEX and net.inet6.mld.ifinfo.INDEX,
// what an interface knows of its querier, times in seconds; and
// net.inet.ip.mcast.filters.INDEX.GROUP, or that of net.inet6.ip6, the mode of an
// interface's filter (1 include, 2 exclude) and its sources, by name. The error is
// around ENOENT for an unknown name or interface, EINVAL for one that is not
// complete, whose group is none, or whose value is one number.
func (s *Stack) SysctlValues(name string) ([]SysctlValue, error) {
	all, e := control.Values(s.st, name)
	list := make([]SysctlValue, len(all))
	for i, v := range all {
		list[i] = SysctlValue{v.Name, v.Number}
	}
	return list, wrapConfig("sysctl", name, e)
}

// SysctlStructs returns the names, sorted, for which SysctlValues has an answer, but
// for those of filters: of what an interface listens to see Interface.Memberships.
func (s *Stack) SysctlStructs() []string { return control.Structs(s.st) }

// SetSysctlValues makes statistics zero: that is all that may be written to them.
// The error is around EINVAL for another number, EPERM for what is read-only,
// ENOENT for an unknown name.
func (s *Stack) SetSysctlValues(name string, to []SysctlValue) error {
	if err := s.may(jail.Sysctl, "sysctl", name); err != nil {
		return err
	}
	list := make([]control.Value, len(to))
	for i, v := range to {
		list[i] = control.Value{Name: v.Name, Number: v.Value}
	}
	return wrapConfig("sysctl", name, control.SetValues(s.st, name, list))
}
