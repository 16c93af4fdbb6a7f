//go:build !novimage

package command

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed88948545/vimage/internal/ctl/ctltest"
	"github.com/seed88948545/vimage/link/pcapng"
)

// TestCaptureFilesByTime: with -G a file has the packets of so many seconds from its first
// one on, no packet is missing between two of them, and each ends with the statistics of
// its interfaces so far.
func TestCaptureFilesByTime(t *testing.T) {
	const file = "hosts: [a, b, c]\nlinks: [{between: [a, b]}, {between: [a, c]}]\nflows: [{from: a, to: b, rate: 10, count: 1000}]\n"
	synctest.Test(t, func(t *testing.T) {
		l := ctltest.Start(t, file)
		defer l.Close()
		dir := t.TempDir()
		if out := run(t, l, "capture -q -G 2 -W 3 -w "+filepath.Join(dir, "%s")+" a-b a-c udp"); out != "" {
			t.Errorf("%s", out)
		}
		files, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil || len(files) != 3 {
			t.Fatalf("%q, %v", files, err)
		}
		slices.Sort(files)
		const gap, span = int64(time.Second / 10), int64(2 * time.Second)
		var first, last, packets int64
		for n, f := range files {
			begun, err := strconv.ParseInt(filepath.Base(f), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			times := timesOf(t, f)
			if len(times) < 20 || time.Unix(0, times[0]).Unix() != begun || times[len(times)-1]-times[0] >= span {
				t.Fatalf("file %d, of %d: packets at %v", n, begun, times)
			}
			if n > 0 && (times[0]-first < span || times[0]-last > gap+gap/10) {
				t.Errorf("file %d begins at %d: the one before began at %d and ended at %d", n, times[0], first, last)
			}
			first, last, packets = times[0], times[len(times)-1], packets+int64(len(times))
			if got := delivery(t, f); !slices.Equal(got, []uint64{uint64(packets), 0}) {
				t.Errorf("file %d: the statistics say %d packets of each interface, and %d were written", n, got, packets)
			}
		}
	})
}

// timesOf returns the times of the packets in a file.
func timesOf(t *testing.T, name string) (all []int64) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := pcapng.NewReader(f)
	for p := (pcapng.Frame{}); ; {
		switch err := r.Next(&p); {
		case errors.Is(err, io.EOF):
			return all
		case err != nil:
			t.Fatalf("%s: %v", name, err)
		}
		all = append(all, p.Time)
	}
}

// delivery returns how many packets a file's statistics say were captured, by interface.
func delivery(t *testing.T, name string) (all []uint64) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for len(b) >= 12 {
		n := binary.LittleEndian.Uint32(b[4:])
		if binary.LittleEndian.Uint32(b) == statisticsBlock {
			if int(binary.LittleEndian.Uint32(b[8:])) != len(all) {
				t.Errorf("%s: statistics of interface %d behind %d others", name, b[8], len(all))
			}
			all = append(all, counter(b[20:n-4], delivered))
		}
		b = b[n:]
	}
	return all
}
