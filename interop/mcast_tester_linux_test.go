package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed88948545/vimage/interop/linuxlab"
	"github.com/seed88948545/vimage/interop/ns"
)

// TestMcastCapacity has vimage mcast search how many groups a Linux bridge takes.
// The bridge has room for so many entries and then gives up snooping, or its port
// has and then ignores reports: the tool must find the number, and say what happens
// beyond.
func TestMcastCapacity(t *testing.T) {
	t.Parallel()
	bin := buildVimage(t) // once for all
	if err := os.Setenv(built, bin); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Unsetenv(built) })
	const entries = 40
	for limit, reason := range map[string]string{
		"bridge": "datagrams came to bystanders",
		"port":   "nothing came to",
	} {
		t.Run(limit, func(t *testing.T) {
			eachFamily(t, func(t *testing.T, f *family) {
				need(t, "tshark")
				f.linux(t)
				taps := [...]string{linuxlab.TAP, "vm1", "vm2"}
				for _, p := range taps[1:] {
					ns.IP(t, "tuntap", "add", "dev", p, "mode", "tap")
					ns.IP(t, "link", "set", p, "master", linuxlab.Bridge, "up")
				}
				room := entries
				if limit == "bridge" {
					ns.IP(t, "link", "set", linuxlab.Bridge, "type", "bridge", "mcast_hash_max", fmt.Sprint(entries))
					room -= len(linuxlab.MDB(t))
				} else if !linuxlab.LimitGroups(t, linuxlab.TAP, entries) {
					t.Skip("the kernel has no limit by port")
				}
				capture := filepath.Join(t.TempDir(), "capture.pcapng")
				c := start(t, bin, "mcast", "receive", "--find-capacity", "--wire", "tap:"+taps[0], "--send-wire", "tap:"+taps[1], "--away-wire", "tap:"+taps[2],
					"--net", f.prefix(0).String(), "--groups", f.ssm.String()+"+100", "--hosts", "2", "--bystanders", "1", "--capture", capture)
				status := c.end(t, time.Minute)
				m := regexp.MustCompile(`capacity: (\d+) groups: (.*)`).FindStringSubmatch(c.out.String())
				if status != 0 || m == nil {
					t.Fatalf("exit status %d:\n%s\n%s", status, &c.out, &c.progress)
				}
				t.Log(m[0])
				// An entry for (*,G) and one for (S,G). IPv6 hosts listen to groups of their
				// addresses too: two for each that the tool puts on a wire.
				most := room / 2
				least := most
				if f.v6() {
					least -= 6
				}
				got, err := strconv.Atoi(m[1])
				if err != nil || got < least || got > most {
					t.Errorf("the tool finds room for %s groups, there is for %d to %d", m[1], least, most)
				}
				if !strings.Contains(m[2], reason) {
					t.Errorf("the tool says %q, which is not that %s", m[2], reason)
				}
				if bad := tshark(t, capture, `(_ws.malformed || _ws.expert.severity >= "Warning") && !frame.comment`); len(bad) != 0 {
					t.Errorf("Wireshark finds fault with %d packets, the first: %s", len(bad), bad[0])
				}
			})
		})
	}
}
