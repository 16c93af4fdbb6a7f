package ctl

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/client"
)

type sysctlsQuery struct {
	InJail
	InFIB
	Name    string `query:"name" doc:"A sysctl, or what the names of several begin with; none means all" example:"net.inet.ip"`
	Structs bool   `query:"structs" doc:"Also those that consist of several numbers, which else must be named"`
}

type sysctlList struct {
	Sysctls []client.Sysctl `json:"sysctls"`
}

type sysctlsPatch struct {
	InJail
	Body struct {
		Set []client.SysctlSetting `json:"set" maxItems:"1000"`
	}
}

type sysctlChanges struct {
	Changes []client.SysctlChange `json:"changes"`
}

func registerSysctls(s *Server) {
	read(s, op{"GET", "/v1/jails/{jail}/sysctls", "sysctls", "The sysctls, sorted by name"}, s.sysctls)
	modify(s, op{"PATCH", "/v1/jails/{jail}/sysctls", "set-sysctls", "Change sysctls, all or none"}, s.setSysctls)
}

func (s *Server) sysctls(in *sysctlsQuery) (sysctlList, error) {
	st, err := in.stack(s)
	if err != nil {
		return sysctlList{}, err
	}
	if st, err = in.table(st); err != nil {
		return sysctlList{}, err
	}
	all := sysctlList{Sysctls: []client.Sysctl{}}
	for _, v := range st.Sysctls() {
		if belowName(v.Name, in.Name) {
			all.Sysctls = append(all.Sysctls, sysctlDoc(v))
		}
	}
	named, err := structs(st, in.Name, in.Structs)
	if err != nil {
		return sysctlList{}, blame(err, "query.name", in.Name)
	}
	all.Sysctls = append(all.Sysctls, named...)
	if in.Name != "" && len(all.Sysctls) == 0 {
		return sysctlList{}, blame(fmt.Errorf("%w: there is no sysctl %s", syscall.ENOENT, in.Name), "query.name", in.Name)
	}
	slices.SortFunc(all.Sysctls, func(a, b client.Sysctl) int { return cmp.Compare(a.Name, b.Name) })
	return all, nil
}

// belowName tells whether a sysctl is the one of that name, or below it.
func belowName(name, top string) bool {
	return top == "" || name == top || strings.HasPrefix(name, strings.TrimSuffix(top, ".")+".")
}

func sysctlDoc(v vimage.Sysctl) client.Sysctl {
	return client.Sysctl{
		Name: v.Name, Description: v.Description, Value: v.Value, Default: v.Default, Min: v.Min, Max: v.Max,
		ReadOnly: v.ReadOnly, Global: v.Global,
	}
}

// structs returns the sysctls of several numbers: that of the name, and with all those
// below it.
func structs(st *vimage.Stack, name string, all bool) (list []client.Sysctl, err error) {
	names := st.SysctlStructs()
	if !slices.Contains(names, name) && name != "" { // a filter's are in no list
		if v, err := st.SysctlValues(name); err == nil {
			return []client.Sysctl{structDoc(name, v)}, nil
		}
	}
	for _, n := range names {
		if n != name && !(all && belowName(n, name)) {
			continue
		}
		v, err := st.SysctlValues(n)
		if err != nil {
			return nil, err
		}
		list = append(list, structDoc(n, v))
	}
	return list, nil
}

func structDoc(name string, of []vimage.SysctlValue) client.Sysctl {
	d := client.Sysctl{Name: name, Struct: true, ReadOnly: !strings.HasSuffix(name, ".stats")}
	for _, v := range of {
		d.Values = append(d.Values, client.SysctlValue(v))
	}
	return d
}

func (s *Server) setSysctls(t *tx, in *sysctlsPatch) (sysctlChanges, error) {
	st, err := in.stack(s)
	if err != nil {
		return sysctlChanges{}, err
	}
	done := sysctlChanges{Changes: make([]client.SysctlChange, len(in.Body.Set))}
	for last := range 2 { // that there are more tables cannot be undone: it comes last
		for i, v := range in.Body.Set {
			if (v.Name == "net.fibs") != (last == 1) {
				continue
			}
			if done.Changes[i], err = setSysctl(t, st, v); err != nil {
				return sysctlChanges{}, blame(err, fmt.Sprintf("body.set[%d]", i), v)
			}
		}
	}
	return done, nil
}

// setSysctl changes one sysctl, or makes the statistics zero that are its value.
func setSysctl(t *tx, st *vimage.Stack, v client.SysctlSetting) (client.SysctlChange, error) {
	if _, err := st.SysctlValues(v.Name); err == nil {
		return client.SysctlChange{Name: v.Name}, st.SetSysctlValues(v.Name, []vimage.SysctlValue{{Value: v.Value}})
	}
	old, err := st.Sysctl(v.Name)
	if err != nil {
		return client.SysctlChange{}, err
	}
	if err := st.SetSysctl(v.Name, v.Value); err != nil {
		return client.SysctlChange{}, err
	}
	if v.Name != "net.fibs" {
		t.made(func() { _ = st.SetSysctl(v.Name, old) }) // it has been that
	}
	now, err := st.Sysctl(v.Name)
	return client.SysctlChange{Name: v.Name, Old: old, New: now}, err
}
