package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed88948545/vimage/client"
	"github.com/seed88948545/vimage/internal/ctl"
	"github.com/seed88948545/vimage/internal/ctl/rundir"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/lab/topo"
)

// word is what a daemon says to who has started it: that it is up, or why it is not.
type word struct {
	Status int    `json:"status"` // to exit with
	Text   string `json:"text"`   // to be printed, of an error
}

// leave has another process run the network, and returns when it is up.
func (f *upFlags) leave(c *cobra.Command, file string) error {
	switch {
	case f.virtual:
		return usageError{errors.New("-d and --virtual do not go together: a lab that is left running is in real time")}
	case f.limit != 0 || len(f.capture) > 0:
		return usageError{errors.New("-d goes with neither --for nor --capture: use vimage down, and vimage capture")}
	}
	name := f.name
	if name == "" {
		name = strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
	}
	log, err := rundir.Default().Prepare(name)
	if err != nil {
		return usageError{err}
	}
	defer log.Close()
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	d := &exec.Cmd{
		Path: exe, Args: []string{os.Args[0], "daemon", "--name", name, "--seed", strconv.FormatUint(f.seed, 10), file},
		Stderr: log, SysProcAttr: apart(),
	}
	says, err := d.StdoutPipe()
	if err != nil {
		return err
	}
	if err := d.Start(); err != nil {
		return err
	}
	return f.await(c, name, d.Process, says)
}

// await waits for a daemon's word.
func (f *upFlags) await(c *cobra.Command, name string, d *os.Process, says io.Reader) error {
	stop := context.AfterFunc(c.Context(), func() { d.Kill() })
	var w word
	err := json.NewDecoder(says).Decode(&w)
	if !stop() {
		return context.Cause(c.Context())
	}
	switch {
	case err != nil:
		return fmt.Errorf("%s has ended before it was up: see %s", name, rundir.Default().Log(name))
	case w.Status != exitOK:
		d.Wait()
		fmt.Fprint(c.ErrOrStderr(), w.Text)
		return exitStatus(w.Status)
	}
	pid := d.Pid
	if err := d.Release(); err != nil {
		return err
	}
	if f.json {
		e := json.NewEncoder(c.OutOrStdout())
		e.SetIndent("", "  ")
		return e.Encode(client.LabInfo{Name: name, PID: pid, Running: true, Socket: rundir.Default().Socket(name)})
	}
	fmt.Fprintf(c.OutOrStdout(), "%s is up: see vimage jls; end it with vimage down\n", name)
	return nil
}

// daemonFlags are the options of the process that up -d starts.
type daemonFlags struct {
	name string
	seed uint64
}

func newDaemon() *cobra.Command {
	f := new(daemonFlags)
	c := &cobra.Command{
		Use:    "daemon FILE",
		Short:  "what up -d starts",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			var said bytes.Buffer
			c.SetErr(&said)
			up := false
			err := f.run(c, args[0], func() error {
				up = true
				return tellWord(word{})
			})
			if up {
				return err
			}
			s := statusTo(&said, err)
			tellWord(word{s, said.String()})
			return exitStatus(s)
		},
	}
	c.Flags().StringVar(&f.name, "name", "", "name of the lab")
	c.Flags().Uint64Var(&f.seed, "seed", 1, "seed of everything random")
	return c
}

// tellWord says the daemon's word, its only one.
func tellWord(w word) error {
	return errors.Join(json.NewEncoder(os.Stdout).Encode(w), os.Stdout.Close())
}

// run is a lab's life. up is called when clients can come.
func (f *daemonFlags) run(c *cobra.Command, name string, up func() error) (err error) {
	claim, err := rundir.Default().Claim(f.name, absolute(name))
	if errors.Is(err, rundir.ErrRunning) {
		return fmt.Errorf("%s: %w: choose another --name, or vimage down %s", f.name, err, f.name)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, claim.Release()) }()
	file, err := loadTopology(c, name)
	if err != nil {
		return err
	}
	n, err := topo.Build(file, lab.Config{Seed: f.seed})
	if err != nil {
		return err
	}
	defer n.Close()
	ctx, down := context.WithCancel(c.Context())
	defer down()
	s := ctl.New(n, ctl.Config{Name: f.name, File: absolute(name), Started: time.Now(), Down: down})
	defer s.Close()
	l, err := claim.Listen()
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	if err := n.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		s.Fail(err)
	}
	if err := up(); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case err = <-served:
	}
	down()
	return err
}

// absolute returns a file's name as it is from everywhere.
func absolute(name string) string {
	if a, err := filepath.Abs(name); err == nil {
		return a
	}
	return name
}
