package mtest

import (
	"errors"
	"syscall"

	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/wire"
)

// macKey is an Ethernet group on an interface.
type macKey struct {
	index int
	mac   wire.MAC
}

// link obeys what is about an interface's hardware.
func (sh *Shell) link(c *command) {
	ifi, err := sh.Stack.Interface(c.ifi)
	if err != nil {
		sh.fail(c.ifi + ": " + strerror(syscall.ENXIO))
		return
	}
	switch c.verb {
	case 'm':
		sh.fail("m is not supported: interfaces have no ALLMULTI mode (p shows every frame)")
	case 'p':
		err := ifi.SetPromiscuous(c.on)
		var e syscall.Errno
		if err != nil && !errors.As(err, &e) {
			sh.fail(err.Error())
			return
		}
		sh.result("SIOCSIFFLAGS", e)
	case 'a', 'd':
		k, on := macKey{ifi.Index(), c.mac}, c.verb == 'a'
		if !on && sh.macs[k] == 0 {
			sh.result("SIOCDELMULTI", syscall.ENOENT)
			return
		}
		e := control.AcceptGroup(sh.Stack.Internal(), uint32(ifi.Index()), c.mac, on)
		if e == 0 && on {
			sh.macs[k]++
		} else if e == 0 {
			sh.macs[k]--
		}
		name := "SIOCADDMULTI"
		if !on {
			name = "SIOCDELMULTI"
		}
		sh.result(name, e)
	}
}
