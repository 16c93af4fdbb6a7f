package vimage_test

import (
	"io"
	"net"
	"testing"
)

// Bulk in one direction, one goroutine writing and one reading.
func BenchmarkTCPBulk(b *testing.B) {
	for _, c := range []struct {
		name string
		tso  int64
	}{{"super", 1}, {"single", 0}} {
		b.Run(c.name, func(b *testing.B) {
			x, y := tcpHosts(b)
			x.SetSysctl("net.inet.tcp.tso", c.tso)
			out, in := connected(b, x, y)
			benchBulk(b, out, in)
		})
	}
}

func benchBulk(b *testing.B, out, in net.Conn) {
	const chunk = 256 << 10
	data := make([]byte, chunk)
	b.SetBytes(chunk)
	b.ReportAllocs()
	done := make(chan int64)
	go func() {
		var n int64
		buf := make([]byte, chunk)
		for {
			k, err := in.Read(buf)
			n += int64(k)
			if err != nil {
				break
			}
		}
		done <- n
	}()
	b.ResetTimer()
	for range b.N {
		if _, err := out.Write(data); err != nil {
			b.Fatal(err)
		}
	}
	out.Close()
	if n := <-done; n != int64(b.N)*chunk {
		b.Errorf("%d bytes of %d", n, int64(b.N)*chunk)
	}
	in.Close()
}

// One byte there and back.
func BenchmarkTCPPingPong(b *testing.B) {
	x, y := tcpHosts(b)
	c, s := connected(b, x, y)
	go func() {
		buf := make([]byte, 1)
		for {
			if _, err := io.ReadFull(s, buf); err != nil {
				return
			}
			s.Write(buf)
		}
	}()
	buf := []byte{1}
	b.ReportAllocs()
	for b.Loop() {
		c.Write(buf)
		if _, err := io.ReadFull(c, buf); err != nil {
			b.Fatal(err)
		}
	}
	c.Close()
	s.Close()
}

// Connect, accept and close.
func BenchmarkTCPConnect(b *testing.B) {
	x, y := tcpHosts(b)
	l, err := y.Listen("tcp", ":80")
	if err != nil {
		b.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	to := y.Addr().String() + ":80"
	b.ReportAllocs()
	for b.Loop() {
		c, err := x.Dial("tcp", to)
		if err != nil {
			b.Fatal(err)
		}
		c.Close()
	}
	l.Close()
}
