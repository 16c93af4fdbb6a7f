package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// A process measures one case of one peer. It prepares the case, says so, and
// then does a round for each line it reads: the time to spend, in nanoseconds.
type process struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	replies chan reply
	note    string
}

// reply is what a process answers, one JSON value a line.
type reply struct {
	Note   string
	Result Result
	Absent string
	Error  string
}

func (r reply) err() error {
	switch {
	case r.Absent != "":
		return absence(r.Absent)
	case r.Error != "":
		return errors.New(r.Error)
	}
	return nil
}

// patience is how long a process may take for one reply.
const patience = 2 * time.Minute

// startProcess starts this program again for one case and waits until it is
// prepared.
func startProcess(peer, name string, quick bool) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p, err := launch(peer, name, func() *exec.Cmd {
		return exec.Command(self, "-serve", peer+"/"+name, "-quick="+strconv.FormatBool(quick))
	})
	if err != nil {
		return nil, err
	}
	r, err := p.wait()
	if err != nil {
		p.stop()
		return nil, err
	}
	p.note = r.Note
	return p, nil
}

// launch starts a command, in the isolation its peer needs.
func launch(peer, name string, command func() *exec.Cmd) (*process, error) {
	var err error
	for _, isolate := range isolations(peer, name) {
		cmd := command()
		isolate(cmd)
		cmd.Stderr = os.Stderr
		p := &process{cmd: cmd, replies: make(chan reply)}
		if p.in, err = cmd.StdinPipe(); err != nil {
			return nil, err
		}
		out, err2 := cmd.StdoutPipe()
		if err2 != nil {
			return nil, err2
		}
		if err = cmd.Start(); err == nil {
			go p.listen(out)
			return p, nil
		}
	}
	return nil, denied("a process for "+peer, err)
}

func (p *process) listen(out io.Reader) {
	defer close(p.replies)
	d := json.NewDecoder(out)
	for {
		var r reply
		if d.Decode(&r) != nil {
			return
		}
		p.replies <- r
	}
}

func (p *process) wait() (reply, error) {
	select {
	case r, ok := <-p.replies:
		if !ok {
			return r, errors.New("the process ended early")
		}
		return r, r.err()
	case <-time.After(patience):
		return reply{}, fmt.Errorf("no answer in %v", patience)
	}
}

func (p *process) measure(budget time.Duration) (Result, error) {
	if _, err := fmt.Fprintln(p.in, int64(budget)); err != nil {
		return nil, err
	}
	r, err := p.wait()
	return r.Result, err
}

// stop lets the process clean up and end, or ends it.
func (p *process) stop() {
	p.in.Close()
	killer := time.AfterFunc(patience, func() { p.cmd.Process.Kill() })
	defer killer.Stop()
	for range p.replies {
	}
	p.cmd.Wait()
}

// cleaner is a Peer that leaves something behind which must be gone before
// the next measurement.
type cleaner interface{ Clean() }

// serveCase is the other side: it measures "PEER/CASE", or several cases in turn,
// until its input ends.
func serveCase(what string, quick bool) error {
	// Peers move the thread they run on between namespaces.
	runtime.LockOSThread()
	peerName, caseName, _ := strings.Cut(what, "/")
	out := json.NewEncoder(os.Stdout)
	chosen, err := choose(caseName)
	if err != nil {
		return err
	}
	var rounds []measure
	for _, c := range chosen {
		p, err := c.peer(peerName, quick)
		if err != nil {
			return err
		}
		if c, ok := p.(cleaner); ok {
			defer c.Clean()
		}
		m, err := c.prepare(p)
		if err != nil {
			return out.Encode(failure(err))
		}
		rounds = append(rounds, m)
		if len(rounds) == len(chosen) {
			err = out.Encode(reply{Note: p.Includes(strings.TrimPrefix(c.Name, prefix6))})
		}
		if err != nil {
			return err
		}
	}
	return serveRounds(rounds, out)
}

// peer returns the named peer, which speaks the case's family.
func (c *Case) peer(name string, quick bool) (Peer, error) {
	for _, p := range peers(quick, c.Family) {
		if p.name == name {
			return p.Peer, nil
		}
	}
	return nil, fmt.Errorf("no such peer: %s", name)
}

// serveRounds does them in turn.
func serveRounds(rounds []measure, out *json.Encoder) error {
	in := bufio.NewScanner(os.Stdin)
	for n := 0; in.Scan(); n++ {
		budget, err := strconv.ParseInt(in.Text(), 10, 64)
		if err != nil {
			return err
		}
		r, err := rounds[n%len(rounds)](time.Duration(budget))
		answer := reply{Result: r}
		if err != nil {
			answer = failure(err)
		}
		if err := out.Encode(answer); err != nil {
			return err
		}
	}
	return nil
}

func failure(err error) reply {
	if a, ok := isAbsence(err); ok {
		return reply{Absent: string(a)}
	}
	return reply{Error: err.Error()}
}
