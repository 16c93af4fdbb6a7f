package syn

import (
	"bytes"
	"net/netip"
	"testing"
)

// TestJar is RFC 7413 §4.1.3.2: the newest cookie of a server counts, and the
// oldest servers are forgotten.
func TestJar(t *testing.T) {
	var j Jar
	server := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}) }
	want := func(i int, cookie string) {
		t.Helper()
		if got := j.Get(server(i)); !bytes.Equal(got, []byte(cookie)) {
			t.Errorf("server %d: %q, want %q", i, got, cookie)
		}
	}
	own := []byte("old")
	j.Put(server(0), own)
	own[0] = 'x'
	want(0, "old")
	j.Put(server(0), []byte("new"))
	want(0, "new")
	for i := 1; i < jarSize; i++ {
		j.Put(server(i), []byte("c"))
	}
	want(0, "new")
	j.Put(server(jarSize), []byte("last"))
	want(0, "")
	want(1, "c")
	want(jarSize, "last")
	j.Put(server(1), nil)
	want(1, "")
}
