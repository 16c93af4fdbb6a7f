package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

const (
	novimageName  = "novimage"
	novimagePairs = 60
	novimageRound = 250 * time.Millisecond
)

// builds are what is compared: stacks in the plural, and one whose tunables are a
// variable of the process.
var builds = [...]string{"vimage", novimageName}

// compareBuilds builds ./receive with and without the tag novimage, has both measure
// in turn, and prints what a datagram costs in each and how many times as much it
// costs with VIMAGE: the median of n pairs and its 95 % confidence interval, which
// by the order statistics supposes nothing of the noise.
func compareBuilds(out io.Writer, n int) error {
	if n == 0 {
		n = novimagePairs
	}
	if n < 6 {
		return errors.New("an interval takes 6 pairs at least")
	}
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var runs [len(builds)]*receiver
	for i, name := range builds {
		if runs[i], err = startReceiver(filepath.Join(dir, name), name); err != nil {
			return err
		}
		defer runs[i].stop()
	}
	var figures [len(builds)][]float64
	var ratios []float64
	for pair := range n + 1 { // the first warms up
		var ns [len(builds)]float64
		for turn := range runs {
			i := (turn + pair) % len(runs)
			if ns[i], err = runs[i].round(); err != nil {
				return fmt.Errorf("%s: %w", builds[i], err)
			}
		}
		if pair == 0 {
			continue
		}
		fmt.Fprintf(os.Stderr, "pair %d of %d: %.1f %.1f ns\n", pair, n, ns[0], ns[1])
		for i := range ns {
			figures[i] = append(figures[i], ns[i])
		}
		ratios = append(ratios, ns[0]/ns[1])
	}
	low, high := interval(ratios)
	_, err = fmt.Fprintf(out, "receive, ns of CPU per datagram: vimage %.1f, novimage %.1f (medians of %d)\nvimage/novimage: %.4f, 95 %% interval %.4f to %.4f\n",
		*middle(figures[0]), *middle(figures[1]), n, *middle(ratios), low, high)
	return err
}

// interval returns the 95 % confidence interval of the median: that many lie on
// either side of it by chance (binomial, by its normal approximation).
func interval(x []float64) (low, high float64) {
	x = slices.Sorted(slices.Values(x))
	n := float64(len(x))
	k := int(math.Floor(n/2 - 0.98*math.Sqrt(n)))
	k = max(k, 1)
	return x[k-1], x[len(x)-k]
}

// receiver is a running ./receive.
type receiver struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

// startReceiver builds ./receive with a tag and starts it.
func startReceiver(file, tag string) (*receiver, error) {
	build := exec.Command("go", "build", "-tags", tag, "-o", file, "./receive")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return nil, fmt.Errorf("go build -tags %s ./receive (in the folder bench): %w", tag, err)
	}
	r := &receiver{cmd: exec.Command(file)}
	r.cmd.Stderr = os.Stderr
	var err error
	if r.in, err = r.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	r.out = bufio.NewScanner(out)
	return r, r.cmd.Start()
}

// round returns what a datagram took, in nanoseconds.
func (r *receiver) round() (float64, error) {
	if _, err := fmt.Fprintln(r.in, int64(novimageRound)); err != nil {
		return 0, err
	}
	if !r.out.Scan() {
		return 0, errors.Join(io.ErrUnexpectedEOF, r.out.Err())
	}
	return strconv.ParseFloat(r.out.Text(), 64)
}

func (r *receiver) stop() {
	r.in.Close()
	r.cmd.Wait()
}
