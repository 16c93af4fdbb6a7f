package vimage_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/control/stacktest"
	"github.com/seed88948545/vimage/link"
)

// TestTCPNettest6 holds connections over IPv6 to package net's promises: between
// global addresses, between link-local ones, and of an IPv4 client to a listener
// for both families.
func TestTCPNettest6(t *testing.T) {
	stacktest.Several(t)
	for _, c := range []struct {
		name, network string
		host          func(b *vimage.Stack) string
	}{
		{"global", "tcp6", func(*vimage.Stack) string { return "2001:db8::2" }},
		{"linklocal", "tcp6", func(b *vimage.Stack) string { return linkLocal(t, b).String() + "%e0" }},
		{"dual", "tcp", func(*vimage.Stack) string { return "10.0.0.2" }},
	} {
		pipe := func(delay time.Duration) nettest.MakePipe {
			return func() (c1, c2 net.Conn, stop func(), err error) {
				w := vimage.NewWorld(vimage.Config{Seed: 1})
				slow := link.NewFault(w.Internal().Sched(), 0, link.FaultConfig{Delay: delay}, link.FaultConfig{Delay: delay})
				a, b := pair6On(t, w, slow.A(), slow.B())
				l := must(b.Listen(c.network, ":0"))(t)
				_, port, _ := net.SplitHostPort(l.Addr().String())
				c1, c2 = connectTo2(t, a, l, net.JoinHostPort(c.host(b), port))
				l.Close()
				return c1, c2, func() {
					c1.Close()
					c2.Close()
					w.Close()
					slow.Close()
					wantNoBuffers(t, w)
				}, nil
			}
		}
		t.Run(c.name, func(t *testing.T) { nettest.TestConn(t, pipe(0)) })
		t.Run("bubble/"+c.name, func(t *testing.T) {
			synctest.Test(t, func(*testing.T) { nettest.TestConn(t, pipe(time.Millisecond)) })
		})
	}
}

// TestHTTP6: net/http over IPv6, by a link-local address with its zone too.
func TestHTTP6(t *testing.T) {
	stacktest.Several(t)
	inBubble(t, func(t *testing.T) {
		a, b := pair6(t, world(t, vimage.Config{}))
		l := must(b.Listen("tcp", ":80"))(t)
		srv := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "%s for %s", r.Host, r.RemoteAddr[:len(r.RemoteAddr)-6])
		})}
		done := make(chan error, 1)
		go func() { done <- srv.Serve(l) }()
		web := http.Client{Transport: &http.Transport{DialContext: a.DialContext, DisableKeepAlives: true}}
		for url, want := range map[string]string{
			"http://[2001:db8::2]/":                           "[2001:db8::2] for [2001:db8::1]",
			"http://10.0.0.2/":                                "10.0.0.2 for 10.0.0.1",
			"http://[" + linkLocal(t, b).String() + "%25e0]/": "[" + linkLocal(t, b).String() + "] for [" + linkLocal(t, a).String() + "%e0]",
		} {
			r, err := web.Get(url)
			if err != nil {
				t.Error(err)
				continue
			}
			body, err := io.ReadAll(r.Body)
			r.Body.Close()
			if string(body) != want {
				t.Errorf("%s: %q, %v; want %q", url, body, err, want)
			}
		}
		srv.Close()
		<-done
	})
}
