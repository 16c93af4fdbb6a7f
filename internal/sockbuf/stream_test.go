package sockbuf

import (
	"bytes"
	"errors"
	"io"
	"math/rand"
	"net"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
)

// bench is what the tests of streams need: buffers that are counted.
type world struct {
	s *netisr.Sched
	r *netisr.Runner
}

func newWorld(t testing.TB) *world {
	s := netisr.NewSched(clock.NewReal())
	w := &world{s, s.Get()}
	t.Cleanup(func() {
		w.r.Done()
		if c := s.Pool().Counts(); c.Bufs != 0 || c.Blocks != 0 {
			t.Errorf("%d buffers and %d blocks outstanding", c.Bufs, c.Blocks)
		}
	})
	return w
}

// piece returns data at an offset, in a frame of its own.
func (w *world) piece(data []byte, at uint64) Piece {
	b := w.r.Cache.Get(len(data))
	copy(b.Extend(len(data)), data)
	return NewPiece(b, b.Bytes(), at)
}

func (w *world) free(b *pkt.Buf) { w.r.Cache.Free(b) }

// take reads up to n bytes.
func (w *world) take(t *testing.T, s *Stream, n int) []byte {
	var pieces [8]Piece
	k, err := s.Take(n, pieces[:], false)
	if err != nil {
		t.Fatal(err)
	}
	var got []byte
	for _, p := range pieces[:k] {
		got = append(got, p.Data()...)
		w.free(p.Buf)
	}
	return got
}

// Whatever the pieces and reads, the bytes come out as they went in.
func TestStreamKeepsOrder(t *testing.T) {
	w := newWorld(t)
	rnd := rand.New(rand.NewSource(1))
	var s Stream
	s.Init(w.s.Clock())
	var want, got []byte
	for range 5000 {
		if rnd.Intn(2) == 0 {
			data := make([]byte, 1+rnd.Intn([]int{8, 600, 1800, 40000}[rnd.Intn(4)]))
			rnd.Read(data)
			want = append(want, data...)
			p := w.piece(data, 0)
			if copied, _ := s.Put(p); copied {
				w.free(p.Buf)
			}
		} else if s.Len() > 0 {
			got = append(got, w.take(t, &s, 1+rnd.Intn(50000))...)
		}
		if s.Len() != len(want)-len(got) || s.Taken() != uint64(len(got)) {
			t.Fatalf("Len %d, Taken %d; want %d, %d", s.Len(), s.Taken(), len(want)-len(got), len(got))
		}
	}
	for s.Len() > 0 {
		got = append(got, w.take(t, &s, 1<<20)...)
	}
	if !bytes.Equal(got, want) {
		t.Error("the bytes are not what they were")
	}
	if s.Mem() != 0 {
		t.Errorf("an empty stream keeps %d bytes", s.Mem())
	}
}

// Tiny segments that nobody reads do not keep a frame each.
func TestStreamTinySegments(t *testing.T) {
	w := newWorld(t)
	var s Stream
	s.Init(w.s.Clock())
	const n = 100_000
	for range n {
		p := w.piece([]byte{1}, 0)
		if copied, _ := s.Put(p); copied {
			w.free(p.Buf)
		}
	}
	if s.Mem() > 2*n {
		t.Errorf("%d bytes keep %d bytes of memory", n, s.Mem())
	}
	s.Drop(w.free)
}

func TestStreamErrors(t *testing.T) {
	w := newWorld(t)
	var s Stream
	s.Init(w.s.Clock())
	var to [1]Piece
	if _, err := s.Take(1, to[:], false); err != syscall.EAGAIN {
		t.Error("empty:", err)
	}
	s.Put(w.piece([]byte("x"), 0))
	s.End(io.EOF)
	s.End(syscall.ECONNRESET) // the first end counts
	if got := w.take(t, &s, 1); string(got) != "x" {
		t.Errorf("%q", got)
	}
	if _, err := s.Take(1, to[:], true); err != io.EOF {
		t.Error("ended:", err)
	}
	s.SetDeadline(time.Now().Add(-time.Second))
	if _, err := s.Take(1, to[:], true); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("late:", err)
	}
	if !s.Close() || s.Close() {
		t.Error("Close")
	}
	if _, err := s.Take(1, to[:], true); err != net.ErrClosed {
		t.Error("closed:", err)
	}
	p := w.piece([]byte("y"), 1)
	if copied, _ := s.Put(p); !copied {
		t.Error("a closed stream has taken a piece")
	}
	w.free(p.Buf)
}

// Pieces in any order, overlapping in any way, give the stream.
func TestReorder(t *testing.T) {
	w := newWorld(t)
	for seed := range int64(300) {
		rnd := rand.New(rand.NewSource(seed))
		want := make([]byte, 1+rnd.Intn(8000))
		rnd.Read(want)
		var r Reorder
		var got []byte
		for len(got) < len(want) {
			at := rnd.Intn(len(want))
			n := min(1+rnd.Intn(1500), len(want)-at)
			if rnd.Intn(3) == 0 {
				at, n = len(got), min(100, len(want)-len(got))
			}
			r.Put(w.piece(want[at:at+n], uint64(at)), w.free)
			for {
				p, ok := r.Pop(uint64(len(got)), w.free)
				if !ok {
					break
				}
				got = append(got, p.Data()...)
				w.free(p.Buf)
			}
			if r.Len() == 0 && r.Mem() != 0 {
				t.Fatalf("seed %d: nothing keeps %d bytes", seed, r.Mem())
			}
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("seed %d: the bytes are not what they were", seed)
		}
		r.Clear(w.free)
	}
}

// What was written can be copied and shared as long as it is not acknowledged.
func TestSend(t *testing.T) {
	w := newWorld(t)
	for seed := range int64(100) {
		rnd := rand.New(rand.NewSource(seed))
		var s Send
		s.Init(w.s.Clock(), 1<<30)
		var all []byte
		acked := 0
		for range 200 {
			switch rnd.Intn(4) {
			case 0, 1:
				data := make([]byte, 1+rnd.Intn([]int{20, 1500, 65160}[rnd.Intn(3)]))
				rnd.Read(data)
				all = append(all, data...)
				if len(data) < 1000 && s.Small(data) {
					continue
				}
				b := w.r.Cache.Get(len(data))
				copy(b.Extend(len(data)), data)
				s.Put(b)
			case 2:
				acked += rnd.Intn(len(all) - acked + 1)
				s.Ack(uint64(acked), w.free)
			case 3:
				checkSend(t, w, &s, all, acked, rnd)
			}
		}
		s.Clear(w.free)
	}
}

func checkSend(t *testing.T, w *world, s *Send, all []byte, acked int, rnd *rand.Rand) {
	if acked == len(all) {
		return
	}
	off := acked
	if rnd.Intn(2) == 0 {
		off += rnd.Intn(len(all) - acked)
	}
	n := 1 + rnd.Intn(len(all)-off)
	got := make([]byte, n)
	s.Copy(got, uint64(off))
	if !bytes.Equal(got, all[off:off+n]) {
		t.Fatal("copied other bytes")
	}
	if span := s.Span(uint64(off)); span < 1 || span > len(all)-off {
		t.Fatalf("Span(%d) = %d", off, span)
	}
	n = min(n, s.Span(uint64(off)))
	if b := s.Share(&w.r.Cache, uint64(off), n); b != nil {
		for i := range b.Push(60)[:60] {
			b.Bytes()[i] = 0xee // headers
		}
		b.Pull(60)
		if !bytes.Equal(b.Bytes(), all[off:off+n]) {
			t.Fatal("shared other bytes")
		}
		if s.Share(&w.r.Cache, uint64(off), n) != nil {
			t.Fatal("shared twice")
		}
		w.free(b)
	}
	rest := make([]byte, len(all)-acked)
	s.Copy(rest, uint64(acked))
	if !bytes.Equal(rest, all[acked:]) {
		t.Fatal("sharing has spoiled what is still needed")
	}
}

func TestSendWaitsForSpace(t *testing.T) {
	w := newWorld(t)
	var s Send
	s.Init(w.s.Clock(), 0)
	if err := s.Ready(false); err != syscall.EAGAIN {
		t.Error(err)
	}
	s.SetLimit(3000)
	if n, err := s.Enter(10, true); n != 3000 || err != nil {
		t.Error(n, err)
	}
	b := w.r.Cache.Get(3000)
	b.Extend(3000)
	s.Put(b)
	s.Leave()
	if _, err := s.Enter(1, false); err != syscall.EAGAIN {
		t.Error(err)
	}
	done := make(chan error)
	go func() {
		_, err := s.Enter(10, true)
		done <- err
	}()
	for s.sleeping() == 0 {
		runtime.Gosched()
	}
	if s.Ack(500, w.free) {
		t.Error("a sixth is free: too little to wake for")
	}
	if s.Ack(3000, w.free) {
		s.Wake()
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	s.End(syscall.ECONNRESET)
	s.Leave()
	if _, err := s.Enter(1, true); err != syscall.ECONNRESET {
		t.Error(err)
	}
}

func (h *half) sleeping() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return int(h.sleepers)
}

// Who wants to hear no more has taken everything, what still comes included.
func TestStreamDiscard(t *testing.T) {
	w := newWorld(t)
	var s Stream
	s.Init(w.s.Clock())
	s.Put(w.piece(make([]byte, 1000), 0))
	if s.Discard(io.EOF, w.free) {
		t.Error("nobody is to be woken")
	}
	late := w.piece(make([]byte, 2000), 1000)
	if copied, wake := s.Put(late); !copied || wake {
		t.Errorf("kept: %v, wake: %v", !copied, wake)
	}
	w.free(late.Buf)
	if n := s.Taken(); n != 3000 {
		t.Errorf("%d bytes taken of 3000", n)
	}
	if _, err := s.Take(9, make([]Piece, 1), false); err != io.EOF {
		t.Error(err)
	}
}
