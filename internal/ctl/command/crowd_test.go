//go:build !novimage

package command

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/seed88948545/vimage/client"
	"github.com/seed88948545/vimage/internal/ctl/ctltest"
)

// BenchmarkCrowd is how long commands and completion take in a lab of 10,000 hosts,
// without what it takes to start a program.
func BenchmarkCrowd(b *testing.B) {
	l := ctltest.Start(b, ctltest.Crowd(10_000))
	for _, line := range []string{
		"jls", "jls -v", "jls -n jid name", "jls -n", "jls --json", "jls -j h5000 -n", "ifconfig -l", "ifconfig -j h9999", "jexec h5000 ifconfig -l",
		"netstat -j h5000 -rn", "netstat -j h5000 -i", "netstat -j h5000 -s", "netstat -j h5000 -g", "netstat -j h5000 -an", "netstat -j 5000 -rn", "netstat -Q",
		"sockstat", "sockstat -j h5000", "arp -j h5000 -a", "ndp -j h5000 -a", "ifmcstat -j h5000", "sysctl -j h5000 -a",
		"host list", "switch list", "link list", "flow list", "group list", "route -j h5000 get 10.0.0.1", "save -",
	} {
		b.Run(line, func(b *testing.B) {
			for b.Loop() {
				e := &Env{Ctx: context.Background(), Out: bufio.NewWriter(io.Discard), Err: io.Discard, Open: func(string) (*client.Client, error) { return l.Client(), nil }}
				w := words(line)
				if status := Lookup(w[0]).Main(e, w[1:]); status != 0 {
					b.Fatalf("exit %d", status)
				}
				e.c.Close()
			}
		})
	}
	b.Run("complete jexec h99", func(b *testing.B) {
		for b.Loop() {
			e := &Env{Ctx: context.Background(), Out: bufio.NewWriter(io.Discard), Err: io.Discard, Open: func(string) (*client.Client, error) { return l.Client(), nil }}
			if got := Lookup("jexec").Completions(e, nil, "h99"); len(got) != 111 {
				b.Fatalf("%d names", len(got))
			}
			e.c.Close()
		}
	})
}

// TestCrowd has the same answers in a lab of some hundreds.
func TestCrowd(t *testing.T) {
	l := ctltest.Start(t, ctltest.Crowd(300))
	var b bytes.Buffer
	e := &Env{Ctx: t.Context(), Out: bufio.NewWriter(&b), Err: &b, Open: func(string) (*client.Client, error) { return l.Client(), nil }}
	if status := Lookup("jls").Main(e, nil); status != 0 || strings.Count(b.String(), "\n") != 301 {
		t.Errorf("exit %d: %.200s", status, b.String())
	}
	if got := Lookup("ifconfig").Completions(e, []string{"-j"}, "h29"); len(got) != 11 {
		t.Errorf("%q", got)
	}
	e.c.Close()
}
