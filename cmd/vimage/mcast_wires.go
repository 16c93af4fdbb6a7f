package main

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/seed88948545/vimage/internal/tester"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/lab/topo"
	"github.com/seed88948545/vimage/link"
	"github.com/seed88948545/vimage/link/tap"
)

// readNetwork reads the topology file, if there is one.
func (f *receiveFlags) readNetwork(fl *pflag.FlagSet) error {
	if f.on == "" {
		return without(fl, "--on FILE", "at", "from")
	}
	for _, name := range []string{"net", "fast-leave", "max-groups"} {
		if fl.Changed(name) {
			return fmt.Errorf("--%s does not go with --on: the file says what its network is like", name)
		}
	}
	file, err := loadFile(f.on)
	if err != nil {
		return err
	}
	f.Network = func(c lab.Config) (*tester.Place, error) {
		n, err := topo.Build(file, c)
		if err != nil {
			return nil, err
		}
		p, err := n.Place(f.at)
		for _, name := range f.From {
			if err == nil && n.Lab.Node(name) == nil {
				err = fmt.Errorf("--from %s: %s has no such host", name, f.on)
			}
		}
		if err != nil {
			n.Close()
			return nil, usageError{err}
		}
		return &tester.Place{Lab: n.Lab, Switch: p.Switch, Net: p.Net, Net6: p.Net6, Taken: p.Taken}, nil
	}
	return nil
}

// readWires opens nothing yet.
func (f *receiveFlags) readWires(fl *pflag.FlagSet) (err error) {
	if f.net == "" {
		return errors.New("--net: which? with --wire the hosts take addresses of a prefix that is free there, such as 10.9.0.0/16")
	}
	for _, name := range []string{"break", "virtual", "fast-leave", "max-groups", "on"} {
		if fl.Changed(name) {
			return fmt.Errorf("--%s does not go with --wire: the rest of the network is not ours", name)
		}
	}
	if f.Open, err = opener("wire", f.wire); err != nil {
		return err
	}
	if f.SendOpen, err = opener("send-wire", f.sendWire); err != nil {
		return err
	}
	if f.AwayOpen, err = opener("away-wire", f.awayWire); err != nil {
		return err
	}
	if f.sendWire == "" {
		if err := without(fl, "--send-wire tap:NAME", "senders", "rate", "size", "count", "ttl"); err != nil {
			return err
		}
	}
	if f.awayWire == "" {
		if err := without(fl, "--away-wire tap:NAME", "bystanders"); err != nil {
			return err
		}
		f.Bystanders = 0
	}
	f.Seed, err = wireSeed(fl, f.Seed)
	return err
}

// without refuses options that mean something only together with another.
func without(fl *pflag.FlagSet, other string, names ...string) error {
	for _, name := range names {
		if fl.Changed(name) {
			return fmt.Errorf("--%s goes with %s", name, other)
		}
	}
	return nil
}

// opener returns what opens a TAP, nil for none.
func opener(flag, device string) (func() (link.Device, error), error) {
	if device == "" {
		return nil, nil
	}
	kind, name, ok := strings.Cut(device, ":")
	if !ok || kind != "tap" || name == "" {
		return nil, fmt.Errorf("--%s %q: must be tap:NAME, such as tap:vm0", flag, device)
	}
	return func() (link.Device, error) { return tap.Open(tap.Config{Name: name, Create: true}) }, nil
}

// wireSeed returns a seed that no other process on the wire has, unless one was
// given: it makes the MAC addresses.
func wireSeed(fl *pflag.FlagSet, given uint64) (uint64, error) {
	if fl.Changed("seed") {
		return given, nil
	}
	var b [8]byte
	_, err := rand.Read(b[:])
	return binary.BigEndian.Uint64(b[:]), err
}
