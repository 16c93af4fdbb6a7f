//go:build !novimage

package ctl_test

import (
	"context"
	"errors"
	"io"
	"net/url"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed88948545/vimage/client"
	"github.com/seed88948545/vimage/internal/ctl/ctltest"
)

// BenchmarkActivity is what it costs to read once what has happened in a lab of 10,000
// hosts, and to connect for that.
func BenchmarkActivity(b *testing.B) {
	l := ctltest.Start(b, ctltest.Crowd(10_000))
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

// talking is the file of a lab in which a sends b ten datagrams a second, between the
// seconds.
const talking = twoHosts + "flows: [{name: talk, from: a, to: b, rate: 10, count: 100000, size: 72, start: 50ms}]\n"

// TestActivity counts what happens in each interval.
func TestActivity(t *testing.T) {
	bubble(t, talking, func(t *testing.T, l *ctltest.Lab, c *client.Client) {
		<-time.After(time.Second)
		x, err := c.Activity(t.Context(), client.ActivityQuery{Every: 2 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		defer x.Close()
		second, err := c.Activity(t.Context(), client.ActivityQuery{Every: 2 * time.Second, Top: 1, Kinds: []string{"stacks"}, Sort: []string{"stacks.name", "links.lost"}})
		if err != nil {
			t.Fatal(err)
		}
		defer second.Close()
		a, err := x.Next()
		if err != nil {
			t.Fatal(err)
		}
		const bytes = 20 * (14 + 20 + 8 + 72)
		if a.Seconds != 2 || a.Stacks.Count != 3 || a.Links.Count != 1 || a.Groups.Count != 0 || a.Flows.Count != 1 {
			t.Errorf("%+v", a)
		}
		want := []client.StackActivity{
			{Name: "a", OutPackets: 20, OutBytes: bytes, Sockets: 1}, {Name: "b", InPackets: 20, InBytes: bytes, Sockets: 1}, {Name: "0"},
		}
		if !reflect.DeepEqual(a.Stacks.Top, want) || a.Stacks.Total != (client.StackActivity{InPackets: 20, InBytes: bytes, OutPackets: 20, OutBytes: bytes}) {
			t.Errorf("%+v", a.Stacks)
		}
		if !reflect.DeepEqual(a.Links.Top, []client.LinkActivity{{Name: "a-b", Between: [2]string{"a", "b"}, Toward: [2]client.LinkCounters{1: {Packets: 20, Bytes: bytes}}}}) {
			t.Errorf("%+v", a.Links)
		}
		if !reflect.DeepEqual(a.Flows.Top, []client.FlowActivity{{Name: "talk", From: "a", To: "10.0.0.2:5000", Receivers: 1, Sent: 20, Delivered: 20}}) {
			t.Errorf("%+v", a.Flows)
		}
		if a, err := second.Next(); err != nil || len(a.Stacks.Top) != 1 || a.Stacks.Top[0].Name != "0" || a.Stacks.Count != 3 || a.Links != nil || a.Groups != nil || a.Flows != nil {
			t.Errorf("%+v, %v", a, err)
		}
	})
}

// TestActivityFollows has the network change while somebody looks: what is cut loses,
// what is new is counted from its beginning, and what goes is not missed.
func TestActivityFollows(t *testing.T) {
	bubble(t, talking, func(t *testing.T, l *ctltest.Lab, c *client.Client) {
		x, err := c.Activity(t.Context(), client.ActivityQuery{Every: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		defer x.Close()
		next := func() *client.Activity {
			t.Helper()
			synctest.Wait()
			a, err := x.Next()
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		next()
		if err := c.SetLink(t.Context(), "a-b", client.Spec{"down": true}); err != nil {
			t.Fatal(err)
		}
		a := next()
		if to := a.Links.Top[0].Toward[1]; !a.Links.Top[0].Cut || to != (client.LinkCounters{Lost: 10}) {
			t.Errorf("a link that is cut: %+v", a.Links.Top[0])
		}
		if f := a.Flows.Top[0]; f.Sent != 10 || f.Delivered != 0 || f.Lost != 10 {
			t.Errorf("and the flow: %+v", f)
		}
		if err := c.SetLink(t.Context(), "a-b", client.Spec{"down": false, "delay": "5ms"}); err != nil {
			t.Fatal(err)
		}
		if err := c.AddNode(t.Context(), client.NewNode{Name: "c"}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.AddLink(t.Context(), client.Spec{"between": []string{"c", "a"}}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.AddFlow(t.Context(), client.Spec{"from": "a", "to": "c", "rate": 10, "count": 3}); err != nil {
			t.Fatal(err)
		}
		a = next()
		if f := a.Flows.Top[0]; a.Flows.Count != 2 || f.Name != "talk" || f.Lost != 10 || f.Latency != 5 {
			t.Errorf("one flow more: %+v", a.Flows)
		}
		if f := a.Flows.Top[1]; f.Sent != 3 || f.Delivered != 3 || !f.Done {
			t.Errorf("the new flow: %+v", f)
		}
		if err := c.RemoveNode(t.Context(), "c"); err != nil {
			t.Fatal(err)
		}
		if err := c.RemoveFlow(t.Context(), "talk"); err != nil {
			t.Fatal(err)
		}
		if a = next(); a.Stacks.Count != 3 || a.Links.Count != 1 || a.Flows.Count != 0 || a.Stacks.Total.OutPackets > 1 {
			t.Errorf("afterwards: %+v %+v", a.Stacks, a.Flows)
		}
	})
}

// TestActivityMistakes says which part of a request is wrong.
func TestActivityMistakes(t *testing.T) {
	bubble(t, twoHosts, func(t *testing.T, l *ctltest.Lab, c *client.Client) {
		for _, x := range []struct{ query, status, want string }{
			{"", "422", `"location":"query.every"`},
			{"every=0", "422", `"location":"query.every","value":"0"`},
			{"every=99ms", "422", `"location":"query.every","value":"99ms"`},
			{"every=-1s", "422", `"location":"query.every"`},
			{"every=25h", "422", `"location":"query.every"`},
			{"every=x", "422", `"location":"query.every","value":"x"`},
			{"every=1s&top=-1", "422", `"location":"query.top","value":-1`},
			{"every=1s&top=501", "422", `"location":"query.top","value":501`},
			{"every=1s&top=x", "422", `"location":"query.top","value":"x"`},
			{"every=1s&kind=hosts", "422", `"location":"query.kind","value":"hosts"`},
			{"every=1s&sort=bytes", "422", `"location":"query.sort","value":"bytes"`},
			{"every=1s&sort=groups.bytes", "422", `"location":"query.sort","value":"groups.bytes"`},
			{"every=1s&sort=links.lost&sort=x.y", "422", `"location":"query.sort","value":"x.y"`},
			{"every=1s&in=c", "404", `"location":"query.in","value":"c"`},
			{"every=1s&n=1", "422", `"location":"query.n"`},
		} {
			got := raw(t, l, request("GET", "/v1/activity?"+x.query, ""))
			if !strings.HasPrefix(got, x.status) || !strings.Contains(got, x.want) {
				t.Errorf("%s:\n%s\nwant %s and %s", x.query, got, x.status, x.want)
			}
		}
		if err := c.Do(t.Context(), "GET", "/v1/activity", url.Values{"every": {"0"}}, nil, nil); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("%v", err)
		}
	})
}

// TestActivityOf is what has to do with one stack, until its jail goes.
func TestActivityOf(t *testing.T) {
	const three = "hosts: [a, b, c]\nlinks: [{between: [a, b]}, {between: [b, c]}]\n" +
		"flows: [{name: ab, from: a, to: b}, {name: bc, from: b, to: c}]\n"
	bubble(t, three, func(t *testing.T, l *ctltest.Lab, c *client.Client) {
		if err := c.SetJail(t.Context(), "a", map[string]string{"children.max": "1"}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.CreateJail(t.Context(), client.NewJail{In: "a", Parameters: map[string]string{"name": "below", "vnet": "new", "persist": "1"}}); err != nil {
			t.Fatal(err)
		}
		x, err := c.Activity(t.Context(), client.ActivityQuery{Every: time.Second, In: "a", Sort: []string{"stacks.name"}})
		if err != nil {
			t.Fatal(err)
		}
		defer x.Close()
		a, err := x.Next()
		if err != nil {
			t.Fatal(err)
		}
		if s := a.Stacks.Top; len(s) != 2 || s[0].Name != "a" || s[1].Name != "a.below" {
			t.Errorf("stacks %+v", s)
		}
		if a.Links.Count != 1 || a.Links.Top[0].Name != "a-b" || a.Flows.Count != 1 || a.Flows.Top[0].Name != "ab" {
			t.Errorf("links %+v, flows %+v", a.Links.Top, a.Flows.Top)
		}
		if err := c.RemoveJail(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		if _, err := x.Next(); !errors.Is(err, syscall.ENXIO) {
			t.Errorf("after its end: %v", err)
		}
	})
}

// TestActivitySlow: who does not read is cut off, and holds up nobody else.
func TestActivitySlow(t *testing.T) {
	bubble(t, twoHosts, func(t *testing.T, l *ctltest.Lab, c *client.Client) {
		conn, err := l.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		go io.WriteString(conn, "GET /v1/activity?every=100ms HTTP/1.1\r\nHost: lab\r\n\r\n")
		x, err := c.Activity(t.Context(), client.ActivityQuery{Every: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		defer x.Close()
		for range 60 {
			if a, err := x.Next(); err != nil || a.Seconds != 1 {
				t.Fatalf("%+v, %v", a, err)
			}
		}
		conn.SetReadDeadline(time.Now().Add(time.Second))
		if n, err := io.Copy(io.Discard, conn); err != nil || n > 4096 {
			t.Errorf("%d bytes, then %v, want few and the end", n, err)
		}
	})
}

// TestActivityCrowd bounds what is sent of a lab of many hosts.
func TestActivityCrowd(t *testing.T) {
	l := ctltest.Start(t, ctltest.Crowd(300))
	c := l.Client()
	defer c.Close()
	s, err := c.Stream(t.Context(), "GET", "/v1/activity", url.Values{"every": {"100ms"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Read("ready", &client.Done{}); err != nil {
		t.Fatal(err)
	}
	var a client.Activity
	kind, data, err := s.Next()
	if err != nil || kind != "activity" || len(data) > 8<<10 {
		t.Fatalf("%s of %d bytes, %v", kind, len(data), err)
	}
	if err := s.Read("activity", &a); err != nil || a.Stacks.Count != 301 || a.Links.Count != 300 || len(a.Stacks.Top) != 10 || len(a.Links.Top) != 10 {
		t.Errorf("%+v, %v", a, err)
	}
}
