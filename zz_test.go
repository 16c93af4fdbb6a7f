package vimage_test

import ("testing";"fmt";"sort";"time";"sync";"sync/atomic")

func TestZZ(t *testing.T) {
	for i := range 6 {
	x, y := tcpHosts(t)
	var total atomic.Int64
	var wg sync.WaitGroup
	var maxgap atomic.Int64
	b := time.Now()
	for range 64 {
	out, in := connected(t, x, y)
	wg.Go(func() {
		buf := make([]byte, 256<<10)
		last := time.Now()
		for {
			k, err := in.Read(buf)
			if d := int64(time.Since(last)); d > maxgap.Load() { maxgap.Store(d) }
			last = time.Now()
			total.Add(int64(k))
			if err != nil { break }
		}
	})
	wg.Go(func() {
		data := make([]byte, 256<<10)
		for range 200 { out.Write(data) }
		out.Close()
	})
	}
	wg.Wait()
	el := time.Since(b)
	fmt.Println(i, el, float64(total.Load())/el.Seconds()/1e9, "GB/s; max gap", time.Duration(maxgap.Load()))
	for _, h := range []interface{ Counters() map[string]uint64 }{x, y} {
		c := h.Counters()
		var k []string
		for n := range c { k = append(k, n) }
		sort.Strings(k)
		for _, n := range k { fmt.Print(n, " ", c[n], "; ") }
		fmt.Println()
	}
	}
}
