//go:build !novimage

package command

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/seed88948545/vimage/internal/ctl/ctltest"
)

// changes are what commands can set about a network, and what a saved file then says of
// it; behind # is what it says that it cannot.
var changes = []struct {
	commands string // a line each
	says     string // a line each
}{
	{"ifconfig -j a eth0 promisc", "promisc: true"},
	{"ifconfig -j a eth0 staticarp", "arp: static"},
	{"ifconfig -j a eth0 -arp", "arp: off"},
	{"ifconfig -j a eth0 mtu 1400", "mtu: 1400"},
	{"ifconfig -j a eth0 down", "down: true"},
	{"ifconfig -j a eth0 ether 02:00:00:00:00:99", `mac: "02:00:00:00:00:99"`},
	{"ifconfig -j a eth0 name wan0", "name: wan0"},
	{"ifconfig -j a eth0 fib 1", "fibs: {a: 1}"},
	{"ifconfig -j a eth0 192.0.2.77/24 alias", "a: [192.0.2.1, 192.0.2.77, "},
	{"ifconfig -j a eth0 10.9.9.9/8 alias", "a: [192.0.2.1, 10.9.9.9/8, "},
	{"ifconfig -j a eth0 192.0.2.1 -alias", "a: {addrs: [\"2001:db8::1/64\"]}"},
	{"ifconfig -j a eth0 10.9.9.9/8 broadcast 10.9.9.255 alias", "#   a: eth0: its address 10.9.9.9/8, which is anycast or temporary, or has a peer or another broadcast address"},
	{"ifconfig -j a eth0 inet6 2001:db8::77/64 anycast alias", "#   a: eth0: its address 2001:db8::77/64, which is anycast"},
	{"ifconfig -j a eth0 inet6 fe80::77/64 alias", "#   a: eth0: its address fe80::77"},
	{"ifconfig -j a eth0 destroy", "#   a: its interface eth0 on the link a-b, which was moved or removed"},
	{"ifconfig -j a lo0 10.255.0.1/32 alias", "loopback: 10.255.0.1/32"},
	{"ifconfig -j a lo0 127.0.0.1 -alias", "lo0: {addrs: [\"::1/128\"]}"},
	{"ifconfig -j a lo0 mtu 9000", "lo0: {mtu: 9000}"},
	{"ifconfig -j a lo0 down", "lo0: {down: true}"},
	{"ifconfig -j a gif0 create\nifconfig -j a gif0 tunnel 192.0.2.1 192.0.2.2\nifconfig -j a gif0 10.1.0.1 10.1.0.2 netmask 255.255.255.252 up", "gif0: {kind: gif, mtu: 1280, addrs: [{addr: 10.1.0.1/30, peer: 10.1.0.2}], local: 192.0.2.1, remote: 192.0.2.2}"},
	{"ifconfig -j a gif0 create", "gif0: {kind: gif, mtu: 1280, addrs: []}"},
	{"ifconfig -j a gre0 create\nifconfig -j a gre0 tunnel 192.0.2.1 192.0.2.2 grekey 7 tunnelfib 1", "key: 7"},
	{"ifconfig -j a vxlan0 create\nifconfig -j a vxlan0 vxlanid 42 vxlanlocal 192.0.2.1 vxlanremote 192.0.2.2 -vxlanlearn", "vni: 42, port: 4789, learning: false"},
	{"ifconfig -j a epair create\nifconfig -j a epair0a 10.2.0.1/24 up", "epair0a: {kind: epair\naddrs: [10.2.0.1/24], pair: pair0"},
	{"ifconfig -j a tun0 create", "#   a: its interface tun0, which is of no link"},
	{"arp -j a -s 192.0.2.9 02:00:00:00:00:09", `neighbors: {192.0.2.9: "02:00:00:00:00:09"}`},
	{"arp -j a -s 192.0.2.9 02:00:00:00:00:09 pub", `192.0.2.9: {mac: "02:00:00:00:00:09", published: true}`},
	{"ndp -j a -s 2001:db8::9 02:00:00:00:00:09", `neighbors: {"2001:db8::9": "02:00:00:00:00:09"}`},
	{"ndp -j a -i eth0 accept_rtadv", "autoconf: true"},
	{"ndp -j a -i eth0 accept_rtadv\nndp -j a -i eth0 no_radr", "autoconf: {default_route: false}"},
	{"sysctl -j a net.inet.ip.ttl=9", "sysctl: {net.inet.ip.ttl: 9}"},
	{"sysctl -j a net.inet.ip.forwarding=1", "sysctl: {net.inet.ip.forwarding: 1}"},
	{"sysctl -j r net.inet.ip.forwarding=0", "sysctl: {net.inet.ip.forwarding: 0}"},
	{"sysctl -j a net.fibs=5", "fibs: 5"},
	{"sysctl net.inet.ip.ttl=9", "jail0: {sysctl: {net.inet.ip.ttl: 9}}"},
	{"route -j a add 203.0.113.0/24 192.0.2.2", "- {to: 203.0.113.0/24, via: 192.0.2.2}"},
	{"route -j a add 203.0.113.0/24 192.0.2.2 -mtu 1300 -fib 1", "- {to: 203.0.113.0/24, via: 192.0.2.2, fib: 1, mtu: 1300}"},
	{"route -j a add 203.0.113.0/24 127.0.0.1 -blackhole", "- {to: 203.0.113.0/24, blackhole: true}"},
	{"route -j a add 203.0.113.0/24 127.0.0.1 -reject", "- {to: 203.0.113.0/24, reject: true}"},
	{"route -j a add 203.0.113.0/24 192.0.2.2 -expire 3600", "#   a: the route to 203.0.113.0/24 of FIB 0, which expires"},
	{"route -j a add -net 203.0.113.0/24 -interface eth0", "- {to: 203.0.113.0/24, link: a-b}"},
	{"route -j a add -inet6 2001:db8:9::/64 fe80::1%eth0", "#   a: the route to 2001:db8:9::/64 of FIB 0, whose gateway is link-local"},
	{"route -j a delete 192.0.2.0/24", "#   a: that FIB 0 has no route to 192.0.2.0/24, the subnet of eth0"},
	{"ifconfig -j a gif0 create\nroute -j a add -net 203.0.113.0/24 -interface gif0", "- {to: 203.0.113.0/24, interface: gif0}"},
	{"jail -c name=web vnet persist host.hostname=www", "jails:\n  web: {vnet: new, host.hostname: www}"},
	{"jail -m name=a children.max=3\njexec a jail -c name=web vnet persist vnet.interface=eth0\nifconfig -j a.web eth0 192.0.2.1/24\nsysctl -j a.web net.inet.ip.ttl=9\nroute -j a.web add default 192.0.2.2",
		"jail: {children.max: 3}\nbetween: [a.web, b]\ninterfaces: {a.web: {addrs: [192.0.2.1/24]}}\nsysctl: {net.inet.ip.ttl: 9}\n- {to: default, via: 192.0.2.2}"},
	{"jail -m name=a children.max=3\njexec a jail -c name=db persist ip4.addr=192.0.2.1", "db: {ip4: new, ip4.addr: 192.0.2.1}"},
	{"jail -m name=a children.max=3\njexec a jail -c name=web vnet persist\nifconfig -j a epair create\nifconfig -j a epair0b vnet web", "web:\npair: pair0\nepair0b:"},
	{"host add new\nlink add new b delay=3ms name=n", "new: {}\n{between: [new, b], name: n\ndelay: 3ms"},
	{"switch add sw hub=true", "sw: {subnet: \nhub: true"},
	{"link set a-b loss=5% toward.b.rate=1Mbit/s", "toward: {b: {loss: 0.05, rate: 1Mbit/s}, a: {loss: 0.05}}"},
	{"switch add sw fast_leave=true\nswitch set sw snooping=false max_groups=7 fast_leave=none", "snooping: false, max_groups: 7}"},
	{"switch add sw\nswitch set sw querier.interval=60s ask_new=true", "querier: {interval: 1m0s}, ask_new: true}"},
	{"link cut a-b", "down: true}"},
	{"flow add a b name=f count=3", "- {from: a, to: b, name: f, count: 3}"},
	{"group add a 239.1.1.1", "- {host: a, group: 239.1.1.1"},
}

// TestSaveChanges: whatever commands change is in the file that is saved, which gives a
// network of which the same is saved, or the file says that it is not.
func TestSaveChanges(t *testing.T) {
	const file = `
hosts: {a: {fibs: 2}, b: {}}
routers: {r: {}}
links: [{between: [a, b], subnet: 192.0.2.0/24, subnet6: "2001:db8::/64"}, {between: [b, r]}]
`
	for _, c := range changes {
		t.Run(strings.ReplaceAll(c.commands, "\n", "; "), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := ctltest.Start(t, file)
				defer l.Close()
				before := run(t, l, "save")
				for line := range strings.Lines(c.commands) {
					if out := run(t, l, strings.TrimSpace(line)); strings.Contains(out, "[") {
						t.Fatalf("%s: %s", line, out)
					}
				}
				run(t, l, "wait 3s")
				text, _, _ := strings.Cut(run(t, l, "save"), "\nsave: not saved")
				if text == before {
					t.Error("nothing is saved of it")
				}
				for want := range strings.SplitSeq(c.says, "\n") {
					if !strings.Contains(text, want) {
						t.Errorf("no %s in\n%s", want, text)
					}
				}
				again := ctltest.Start(t, text)
				defer again.Close()
				run(t, again, "wait 3s")
				body, _, _ := strings.Cut(text, "\n# What a file")
				if twice, _, _ := strings.Cut(run(t, again, "save"), "\n# What a file"); strings.TrimSpace(twice) != strings.TrimSpace(body) {
					t.Errorf("saved:\n%s\nand of that:\n%s", text, twice)
				}
			})
		})
	}
}
