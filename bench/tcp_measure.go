package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// helped is a Peer for which somebody outside this process works as well.
type helped interface {
	// OutsideCPU returns the processor time they have used so far.
	OutsideCPU() time.Duration
}

// onGoroutine runs f on a goroutine that is free to move: the caller's is tied
// to its thread, and would pay a switch of threads for every wait.
func onGoroutine(f measure) measure {
	return func(budget time.Duration) (r Result, err error) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			r, err = f(budget)
		}()
		<-done
		return r, err
	}
}

// bulk is what one stretch of bulk transfer took.
type bulk struct {
	stopwatch
	outside time.Duration // processor time of others than this process
	bytes   int64
}

// cpuPerGB returns processor seconds per 10^9 bytes.
func (b *bulk) cpuPerGB() float64 { return (b.cpu + b.outside).Seconds() / float64(b.bytes) * 1e9 }

func (b *bulk) figure() Figure {
	wall := b.wall.Seconds() / float64(b.bytes) * 1e9
	return Figure{Value: b.cpuPerGB(), Wall: &wall}
}

// rate returns Gbit/s.
func (b *bulk) rate() Figure { return Figure{Value: float64(b.bytes) * 8 / b.wall.Seconds() / 1e9} }

// pump writes blocks until stop is set, and returns how many bytes.
func pump(to io.Writer, stop *atomic.Bool) (int64, error) {
	// Memory that nobody has written to would be the one page of zeros.
	b := bytes.Repeat([]byte("vimage"), bulkWrite/6+1)[:bulkWrite]
	var sent int64
	for !stop.Load() {
		n, err := to.Write(b)
		sent += int64(n)
		if err != nil {
			return sent, fmt.Errorf("write: %w", err)
		}
	}
	return sent, nil
}

// flow is one transfer that goes on in the background.
type flow struct {
	read atomic.Int64
	stop atomic.Bool
	done chan error
}

// startFlow moves bytes from one end of a connection to the other until it is
// ended.
func startFlow(from, to Stream) *flow {
	f := &flow{done: make(chan error, 2)}
	sent := make(chan int64, 1)
	go func() {
		n, err := pump(from, &f.stop)
		sent <- n
		// So that the reader has something to see that all has been sent.
		if err == nil {
			_, err = from.Write([]byte{0})
		}
		f.done <- err
	}()
	go func() { f.done <- f.drain(to, sent) }()
	return f
}

// drain reads until all that was sent has come, and one byte more.
func (f *flow) drain(from io.Reader, sent <-chan int64) error {
	b := make([]byte, bulkWrite)
	last := int64(-1)
	for got := int64(0); last < 0 || got < last; {
		n, err := from.Read(b)
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		got += int64(n)
		f.read.Add(int64(n))
		select {
		case n := <-sent:
			last = n + 1
		default:
		}
	}
	return nil
}

// end stops the flow; the connection is as quiet afterwards as before.
func (f *flow) end() error {
	f.stop.Store(true)
	return errors.Join(<-f.done, <-f.done)
}

// stalled is how long a transfer may stand still before it is given up.
const stalled = 10 * time.Second

// watch measures flows for a while after a quarter of it.
func watch(p Peer, budget time.Duration, flows ...*flow) (bulk, error) {
	var b bulk
	if err := pause(budget/4, flows); err != nil {
		return b, err
	}
	h, _ := p.(helped)
	if h != nil {
		b.outside -= h.OutsideCPU()
	}
	b.bytes -= total(flows)
	err := b.time(func() error {
		err := pause(budget, flows)
		// On a machine with much else to do a short budget may see nothing.
		for end := time.Now().Add(stalled); err == nil && b.bytes+total(flows) == 0 && time.Now().Before(end); {
			err = pause(budget, flows)
		}
		return err
	})
	b.bytes += total(flows)
	if h != nil {
		b.outside += h.OutsideCPU()
	}
	if err == nil && b.bytes == 0 {
		err = fmt.Errorf("not a byte moved in %v", stalled)
	}
	return b, err
}

// pause waits, unless a flow ends that nobody has told to.
func pause(d time.Duration, flows []*flow) error {
	t := time.NewTimer(d)
	defer t.Stop()
	<-t.C
	for _, f := range flows {
		select {
		case err := <-f.done:
			return fmt.Errorf("a transfer ended: %w", err)
		default:
		}
	}
	return nil
}

func total(flows []*flow) (n int64) {
	for _, f := range flows {
		n += f.read.Load()
	}
	return n
}

// transfer measures one flow from one end of a connection to the other.
func transfer(p Peer, from, to Stream, budget time.Duration) (bulk, error) {
	f := startFlow(from, to)
	b, err := watch(p, budget, f)
	if err != nil {
		return b, err
	}
	return b, f.end()
}

// pingPong sends a byte there and back.
func pingPong(a Stream, n int) error {
	var b [1]byte
	for range n {
		if _, err := a.Write(b[:]); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		if _, err := a.Read(b[:]); err != nil {
			return fmt.Errorf("read: %w", err)
		}
	}
	return nil
}

// lastByte tells echo that it is the last.
const lastByte = 0xff

// endEcho sends the last byte there and back.
func endEcho(a Stream) error {
	b := [1]byte{lastByte}
	if _, err := a.Write(b[:]); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	_, err := a.Read(b[:])
	return err
}

// echo sends back what it reads, until the last byte.
func echo(s Stream) error {
	var b [1]byte
	for b[0] != lastByte {
		if _, err := s.Read(b[:]); err != nil {
			return fmt.Errorf("echo: %w", err)
		}
		if _, err := s.Write(b[:]); err != nil {
			return fmt.Errorf("echo: %w", err)
		}
	}
	return nil
}

// connection makes a connection, has the callee close it, and the caller after it.
func connection(h TCPHosts) error {
	a, b, err := h.Open()
	if err != nil {
		return err
	}
	if err := b.Close(); err != nil {
		return fmt.Errorf("close by the callee: %w", err)
	}
	var p [1]byte
	if n, err := a.Read(p[:]); err != io.EOF {
		return fmt.Errorf("the caller reads %d, %w, not the end", n, err)
	}
	return a.Close()
}
