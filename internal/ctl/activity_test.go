//go:build !novimage

package ctl_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed88948545/vimage/client"
	"github.com/seed88948545/vimage/internal/ctl/ctltest"
)

// crowd is the file of a lab of n hosts on a switch.
func crowd(n int) string {
	var hosts, links strings.Builder
	for i := range n {
		fmt.Fprintf(&hosts, "  h%d: {}\n", i)
		fmt.Fprintf(&links, "  - {between: [h%d, lan]}\n", i)
	}
	return "hosts:\n" + hosts.String() + "switches:\n  lan: {subnet: 10.0.0.0/16}\nlinks:\n" + links.String()
}

// BenchmarkActivity is what it costs to read once what has happened in a lab of 10,000
// hosts, and to connect for that.
func BenchmarkActivity(b *testing.B) {
	l := ctltest.Start(b, crowd(10_000))
	for _, kind := range append(client.ActivityKinds(), "all") {
		b.Run(kind, func(b *testing.B) {
			q := client.ActivityQuery{Every: 24 * time.Hour, Kinds: []string{kind}}
			if kind == "all" {
				q.Kinds = nil
			}
			c := l.Client()
			defer c.Close()
			for b.Loop() {
				a, err := c.Activity(context.Background(), q)
				if err != nil {
					b.Fatal(err)
				}
				a.Close()
			}
		})
	}
}
