package interop

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"testing"
	"time"
)

// States of iperf3's protocol, one byte each on its first connection.
const (
	iperfStart    = 1
	iperfRunning  = 2
	iperfEnd      = 4
	iperfParams   = 9
	iperfStreams  = 10
	iperfResults  = 13
	iperfDisplay  = 14
	iperfDone     = 16
	iperfCookie   = 37 // bytes that both connections begin with
	iperfJSONMost = 1 << 20
)

// iperfReport is the part of iperf3 -J's report that is looked at.
type iperfReport struct {
	Error string
	End   struct {
		SumSent     iperfSum `json:"sum_sent"`
		SumReceived iperfSum `json:"sum_received"`
	}
}

type iperfSum struct {
	Bytes         int64
	BitsPerSecond float64 `json:"bits_per_second"`
}

// iperfBothWays has iperf3 on Linux send for a second, and receive.
func iperfBothWays(t *testing.T, r *tcpRig) {
	for _, way := range [...]string{"to us", "from us"} {
		t.Run(way, func(t *testing.T) {
			report, served := iperf(t, r, "-t", "1", map[string]string{"to us": "-O0", "from us": "-R"}[way])
			// What is under way at the end is in one count and not in the other.
			sent, got := report.End.SumSent.Bytes, report.End.SumReceived.Bytes
			if got <= 0 || sent < got || served <= 0 {
				t.Errorf("iperf3 says %d bytes were sent and %d received, we moved %d", sent, got, served)
			}
			t.Logf("%.0f Mbit/s", report.End.SumReceived.BitsPerSecond/1e6)
		})
	}
}

// iperf runs iperf3 on r.b against a server of this file's at r.a, and returns
// its report and how many bytes the server has moved.
func iperf(t *testing.T, r *tcpRig, args ...string) (iperfReport, int64) {
	t.Helper()
	need(t, "iperf3")
	l, at := listenTCP(t, r.a, 0)
	type served struct {
		n   int64
		err error
	}
	done := make(chan served, 1)
	go func() { n, err := serveIperf(l); done <- served{n, err} }()
	args = append([]string{"-J", "-c", at.Addr().String(), "-p", strconv.Itoa(int(at.Port()))}, args...)
	var report iperfReport
	out := r.b.program(t, "iperf3", args...)
	if err := json.Unmarshal(out, &report); err != nil || report.Error != "" {
		t.Fatalf("iperf3: %v %s\n%s", err, report.Error, out)
	}
	s := <-done
	if s.err != nil {
		t.Errorf("serving iperf3: %v", s.err)
	}
	return report, s.n
}

// serveIperf is an iperf3 server for one test with one TCP stream.
func serveIperf(l net.Listener) (moved int64, err error) {
	control, err := acceptIperf(l)
	if err != nil {
		return 0, err
	}
	defer control.Close()
	if err := putState(control, iperfParams); err != nil {
		return 0, err
	}
	var params struct{ Reverse bool }
	if err := getJSON(control, &params); err != nil {
		return 0, err
	}
	if err := putState(control, iperfStreams); err != nil {
		return 0, err
	}
	stream, err := acceptIperf(l)
	if err != nil {
		return 0, err
	}
	defer stream.Close()
	if err := putState(control, iperfStart, iperfRunning); err != nil {
		return 0, err
	}
	begin := time.Now()
	count := make(chan int64, 1)
	go func() { count <- moveIperf(stream, params.Reverse) }()
	if err := wantState(control, iperfEnd); err != nil {
		return 0, err
	}
	took := time.Since(begin)
	stream.SetDeadline(time.Now()) // ends the move
	moved = <-count
	// The client may be waiting for the rest of a block.
	if err := stream.Close(); err != nil {
		return moved, err
	}
	if err := exchangeIperf(control, moved, took); err != nil {
		return moved, err
	}
	if err := putState(control, iperfDisplay); err != nil {
		return moved, err
	}
	return moved, wantState(control, iperfDone)
}

// moveIperf sends or receives until the stream's deadline.
func moveIperf(stream net.Conn, send bool) (n int64) {
	b := make([]byte, 128<<10)
	for {
		var k int
		var err error
		if send {
			k, err = stream.Write(b)
		} else {
			k, err = stream.Read(b)
		}
		n += int64(k)
		if err != nil {
			return n
		}
	}
}

func exchangeIperf(control net.Conn, moved int64, took time.Duration) error {
	if err := putState(control, iperfResults); err != nil {
		return err
	}
	var theirs struct{}
	if err := getJSON(control, &theirs); err != nil {
		return err
	}
	ours, err := json.Marshal(map[string]any{
		"cpu_util_total": 0, "cpu_util_user": 0, "cpu_util_system": 0, "sender_has_retransmits": 0,
		"streams": []any{map[string]any{
			"id": 1, "bytes": moved, "retransmits": -1, "jitter": 0, "errors": 0, "packets": 0,
			"start_time": 0, "end_time": took.Seconds(),
		}},
	})
	if err != nil {
		return err
	}
	_, err = control.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(ours))), ours...))
	return err
}

// acceptIperf accepts a connection and reads its cookie.
func acceptIperf(l net.Listener) (net.Conn, error) {
	c, err := l.Accept()
	if err != nil {
		return nil, err
	}
	c.SetDeadline(time.Now().Add(2 * tcpPatience))
	if _, err := io.ReadFull(c, make([]byte, iperfCookie)); err != nil {
		c.Close()
		return nil, fmt.Errorf("cookie: %w", err)
	}
	return c, nil
}

func putState(c net.Conn, states ...byte) error {
	_, err := c.Write(states)
	return err
}

func wantState(c net.Conn, want byte) error {
	var got [1]byte
	if _, err := io.ReadFull(c, got[:]); err != nil || got[0] != want {
		return fmt.Errorf("state %d came, %w, want %d", got[0], err, want)
	}
	return nil
}

func getJSON(c net.Conn, v any) error {
	var length [4]byte
	if _, err := io.ReadFull(c, length[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n > iperfJSONMost {
		return fmt.Errorf("%d bytes of JSON", n)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(c, b); err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}

// dialer is what an http.Transport wants, for one server.
func dialer(from tcpEnd, to netip.AddrPort) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) { return from.Dial(to) }
}
