package client

import "context"

// Sysctl is a tunable of a stack, or something that can only be read. Its value is
// Value, or where it consists of several numbers Values.
type Sysctl struct {
	Name        string        `json:"name"`
	Description string        `json:"description,omitempty"`
	Value       int64         `json:"value"`
	Values      []SysctlValue `json:"values,omitempty" doc:"Where there are several numbers, as in the struct that a kernel would return"`
	Default     int64         `json:"default" doc:"What it is where nobody has changed it"`
	Min         int64         `json:"min"`
	Max         int64         `json:"max"`
	ReadOnly    bool          `json:"read-only"`
	Global      bool          `json:"global" doc:"The world's: only jail 0 may change it"`
	Struct      bool          `json:"struct" doc:"It has Values"`
}

// SysctlValue is one of several numbers of a sysctl.
type SysctlValue struct {
	Name  string `json:"name"`
	Value int64  `json:"value"`
}

// SysctlSetting is a sysctl that is to have another value. Statistics, which have
// several numbers, take 0.
type SysctlSetting struct {
	Name  string `json:"name" minLength:"1" example:"net.inet.ip.forwarding"`
	Value int64  `json:"value" example:"1"`
}

// SysctlChange is a sysctl that has been changed.
type SysctlChange struct {
	Name string `json:"name"`
	Old  int64  `json:"old"`
	New  int64  `json:"new"`
}

type sysctlList struct {
	Sysctls []Sysctl `json:"sysctls"`
}

type sysctlSettings struct {
	Set []SysctlSetting `json:"set"`
}

type sysctlChanges struct {
	Changes []SysctlChange `json:"changes"`
}

// Sysctls returns sysctls of a jail's stack, sorted: that of the name, or those below
// it ("net.inet.ip"); all of them for "". Those with several numbers are there if they
// are named, or if structs is true. fib is the table of who asks, which
// net.my_fibnum is; "" means 0. ENOENT: there is none of that name.
func (c *Client) Sysctls(ctx context.Context, jail, fib, name string, structs bool) ([]Sysctl, error) {
	q := values("fib", fib, "name", name)
	if structs {
		q.Set("structs", "true")
	}
	var l sysctlList
	return l.Sysctls, c.Do(ctx, "GET", jailPath(jail, "sysctls"), q, nil, &l)
}

// SetSysctls changes sysctls of a jail's stack, all or none. ENOENT: there is none of
// that name. EPERM: it is read-only, or the world's. EINVAL: it cannot be that.
func (c *Client) SetSysctls(ctx context.Context, jail string, set ...SysctlSetting) ([]SysctlChange, error) {
	var l sysctlChanges
	return l.Changes, c.Do(ctx, "PATCH", jailPath(jail, "sysctls"), nil, sysctlSettings{set}, &l)
}
