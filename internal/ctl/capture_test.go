package ctl_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/seed88948545/vimage/client"
	"github.com/seed88948545/vimage/internal/ctl/ctltest"
	"github.com/seed88948545/vimage/link/pcapng"
)

const oddNames = `
hosts: [a, b, c]
links:
  - {between: [a, b], name: eth0}
  - {between: [a, c], subnet: 10.9.0.0/24}
`

// untapped checks that nobody captures.
func untapped(t *testing.T, l *ctltest.Lab) {
	t.Helper()
	for _, st := range l.Net.Lab.World.Stacks() {
		for _, i := range st.Internal().View().Ifs {
			if i != nil && i.Tee.Load() != nil {
				t.Errorf("%s: a capture is left on %s", st.Name(), i.Name)
			}
		}
	}
}

// echoes has a ping c, and returns how many replies there were, and whether all came at
// once.
func echoes(t *testing.T, c *client.Client, n int) (replies int, atOnce bool) {
	t.Helper()
	atOnce = true
	err := c.Ping(t.Context(), "a", "", client.PingRequest{Host: "c", Count: n, Preload: min(n, 1000)}, func(e *client.PingEvent) bool {
		if e.Kind == "reply" {
			replies++
			atOnce = atOnce && e.Reply.RTT == 0
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return replies, atOnce
}

// packets reads a capture: the names of the interfaces that its packets are of.
func packets(t *testing.T, file []byte) (names []string) {
	t.Helper()
	r := pcapng.NewReader(bytes.NewReader(file))
	for f := (pcapng.Frame{}); ; {
		switch err := r.Next(&f); {
		case err == io.EOF:
			return names
		case err != nil:
			t.Fatal(err)
		}
		names = append(names, fmt.Sprint(f.Name, " ", f.Dir))
	}
}

// TestCapture captures a link and an interface in one stream, and ends it in good order.
func TestCapture(t *testing.T) {
	bubble(t, oddNames, func(t *testing.T, l *ctltest.Lab, c *client.Client) {
		ctx, end := context.WithCancel(t.Context())
		x, err := c.Capture(ctx, &client.CaptureRequest{At: []string{"a-c", "interface:c:eth0"}, Filter: "icmp"})
		if err != nil {
			t.Fatal(err)
		}
		echoes(t, c, 1)
		go func() { synctest.Wait(); end() }()
		file, err := io.ReadAll(x)
		if err != nil {
			t.Fatal(err)
		}
		got, want := packets(t, file), []string{"a-c 2", "c:eth0 1", "c:eth0 2", "a-c 1"}
		if slices.Sort(got); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
			t.Errorf("%q, want %q", got, want)
		}
		x.Close()
		untapped(t, l)
	})
}

// TestCaptureCut: of a client who is gone nothing is left, whether there are packets or
// not; and a count ends a capture.
func TestCaptureCut(t *testing.T) {
	bubble(t, oddNames, func(t *testing.T, l *ctltest.Lab, c *client.Client) {
		for _, busy := range []bool{false, true} {
			x, err := c.Capture(t.Context(), &client.CaptureRequest{At: []string{"a-c"}})
			if err != nil {
				t.Fatal(err)
			}
			if busy {
				echoes(t, c, 1)
			}
			x.Close()
			synctest.Wait()
			untapped(t, l)
		}
		x, err := c.Capture(t.Context(), &client.CaptureRequest{At: []string{"a-c"}, Count: 3, SnapLen: 20})
		if err != nil {
			t.Fatal(err)
		}
		defer x.Close()
		echoes(t, c, 9)
		if file, err := io.ReadAll(x); err != nil || len(packets(t, file)) != 3 {
			t.Errorf("%d bytes, %v", len(file), err)
		}
		untapped(t, l)
	})
}

// TestCaptureSlow: a client who does not read costs the network nothing, and finds in
// the stream how much he missed.
func TestCaptureSlow(t *testing.T) {
	bubble(t, oddNames, func(t *testing.T, l *ctltest.Lab, c *client.Client) {
		ctx, end := context.WithCancel(t.Context())
		x, err := c.Capture(ctx, &client.CaptureRequest{At: []string{"a-c"}, Filter: "icmp", Buffer: 16})
		if err != nil {
			t.Fatal(err)
		}
		defer x.Close()
		const n = 200
		if replies, atOnce := echoes(t, c, n); replies != n || !atOnce {
			t.Errorf("%d replies of %d, at once: %v", replies, n, atOnce)
		}
		go func() { synctest.Wait(); end() }()
		file, err := io.ReadAll(x)
		if err != nil {
			t.Fatal(err)
		}
		got, lost := len(packets(t, file)), 2*n-len(packets(t, file))
		if drops := option(file, 5, 5); got == 0 || lost == 0 || drops != uint64(lost) {
			t.Errorf("%d packets, %d missing, the statistics say %d", got, lost, drops)
		}
	})
}

// option returns the last 64-bit option of a code in the blocks of a type that have
// options behind 12 bytes.
func option(file []byte, typ uint32, code uint16) (v uint64) {
	le := func(b []byte) (n uint64) {
		for i := len(b) - 1; i >= 0; i-- {
			n = n<<8 | uint64(b[i])
		}
		return n
	}
	for len(file) > 0 {
		b := file[:le(file[4:8])]
		file = file[len(b):]
		if uint32(le(b[:4])) != typ {
			continue
		}
		for o := b[20 : len(b)-4]; len(o) >= 12; o = o[4+le(o[2:4]):] {
			if uint16(le(o[:2])) == code {
				v = le(o[4:12])
			}
		}
	}
	return v
}

// TestCaptureMistakes: what is wrong is said, and where.
func TestCaptureMistakes(t *testing.T) {
	bubble(t, oddNames, func(t *testing.T, l *ctltest.Lab, c *client.Client) {
		for _, o := range []struct {
			r     client.CaptureRequest
			is    error
			field string
			says  string
		}{
			{client.CaptureRequest{At: []string{"a-d"}}, syscall.ENOENT, "query.at[0]", "did you mean a-c?"},
			{client.CaptureRequest{At: []string{"a-c", "c:eth7"}}, syscall.ENOENT, "query.at[1]", "did you mean eth0?"},
			{client.CaptureRequest{At: []string{"z:eth0"}}, syscall.ENOENT, "query.at[0]", "did you mean a:eth0?"},
			{client.CaptureRequest{At: []string{"a-c"}, In: "b"}, syscall.EPERM, "query.at[0]", "a-c is a link"},
			{client.CaptureRequest{At: []string{"link:eth0"}, In: "b"}, syscall.EPERM, "query.at[0]", "link:eth0 is a link"},
			{client.CaptureRequest{At: []string{"c:eth0"}, In: "b"}, syscall.ENOENT, "query.at[0]", "did you mean eth0?"},
			{client.CaptureRequest{At: []string{"c:lo0"}}, syscall.EOPNOTSUPP, "query.at[0]", "cannot be captured"},
			{client.CaptureRequest{At: []string{"a-c"}, Filter: "port 5 or prot 7"}, nil, "query.filter", "prot"},
			{client.CaptureRequest{}, nil, "query.at", "required"},
		} {
			x, err := c.Capture(t.Context(), &o.r)
			if err == nil {
				x.Close()
				t.Errorf("%+v: no error", o.r)
				continue
			}
			var said *client.Error
			if !errors.As(err, &said) || o.is != nil && !errors.Is(err, o.is) || len(said.Fields) == 0 || said.Fields[0].Field != o.field || !strings.Contains(err.Error(), o.says) {
				t.Errorf("%+v: %v", o.r, err)
			}
			if m, ok := client.FindFilterMistake(err); ok != (o.field == "query.filter") || ok && (m.Position != 10 || m.Word != "prot") {
				t.Errorf("%+v: the mistake is %+v", o.r, m)
			}
		}
		for _, r := range []client.CaptureRequest{{At: []string{"link:eth0"}}, {At: []string{"interface:b:eth0"}}, {At: []string{"eth0"}}, {At: []string{"eth0"}, In: "b"}} {
			x, err := c.Capture(t.Context(), &r)
			if err != nil {
				t.Fatal(err)
			}
			x.Close()
		}
		for in, want := range map[string]string{"": "{[eth0 a-c] [a:eth0 a:eth1 b:eth0 c:eth0]}", "c": "{[] [eth0]}"} {
			p, err := c.CapturePoints(t.Context(), in, "")
			if got := fmt.Sprint(p); err != nil || got != want {
				t.Errorf("in %q: %s, %v", in, got, err)
			}
		}
		synctest.Wait()
		untapped(t, l)
	})
}
