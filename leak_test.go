package vimage_test

import (
	"runtime"
	"testing"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/pkt"
)

// wantNoBuffers fails unless every buffer comes back: at once, or when calls that
// were still on their way have returned.
func wantNoBuffers(t testing.TB, w *vimage.World) {
	t.Helper()
	var c pkt.Counts
	for range 1_000_000 { // no deadline: in a bubble time would stand still
		if c = w.Internal().Sched().Pool().Counts(); c.Bufs == 0 && c.Blocks == 0 {
			return
		}
		runtime.Gosched()
	}
	t.Errorf("%d buffers and %d blocks outstanding", c.Bufs, c.Blocks)
}
