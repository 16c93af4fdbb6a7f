//go:build !novimage

package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/seed88948545/vimage/client"
	"github.com/seed88948545/vimage/internal/ctl/rundir"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"vimage": main, "exit": exit})
}

// exit runs "exit STATUS COMMAND…" and succeeds if that is the command's exit
// status.
func exit() {
	c := exec.Command(os.Args[2], os.Args[3:]...)
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	c.Run()
	if got := strconv.Itoa(c.ProcessState.ExitCode()); got != os.Args[1] {
		fmt.Fprintf(os.Stderr, "exit status %s, want %s\n", got, os.Args[1])
		os.Exit(1)
	}
}

// TestScripts runs the sessions in testdata/script.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			dir, err := os.Getwd()
			e.Setenv("EXAMPLES", dir+"/../../examples")
			e.Setenv("GORACE", "atexit_sleep_ms=0") // else every command takes a second to end
			e.Setenv("CAPTURES", dir+"/../../internal/watch/testdata")
			return errors.Join(err, ownLabs(e))
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"json": checkJSON, "pcapng": checkPcapng, "head": head, "kill9": end(os.Kill), "sigterm": end(syscall.SIGTERM)},
	})
}

// ownLabs gives a script a folder for its labs, of a short name: the paths of sockets
// are. What a script leaves running is ended.
func ownLabs(e *testscript.Env) error {
	dir, err := os.MkdirTemp("", "v")
	if err != nil {
		return err
	}
	e.Setenv("XDG_RUNTIME_DIR", dir)
	e.Defer(func() {
		left, _ := filepath.Glob(filepath.Join(dir, "vimage", "*.sock"))
		for _, s := range left {
			client.Dial(s).Down(context.Background())
		}
		os.RemoveAll(dir)
	})
	return nil
}

// end is "kill9 LAB" or "sigterm LAB": its daemon gets a signal, and has ended.
func end(with os.Signal) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) != 1 {
			ts.Fatalf("usage: %v LAB", with)
		}
		dir := filepath.Join(ts.Getenv("XDG_RUNTIME_DIR"), "vimage")
		var l client.LabInfo
		ts.Check(json.Unmarshal([]byte(ts.ReadFile(filepath.Join(dir, args[0]+".lock"))), &l))
		p, err := os.FindProcess(l.PID)
		ts.Check(err)
		ts.Check(p.Signal(with))
		ts.Check(rundir.At(dir).Wait(args[0]))
	}
}

// checkJSON is "json PATH VALUE": stdout is exactly one document in which the
// value at the path, as in flows.0.sent, is VALUE. "! json" wants another value.
func checkJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: json PATH VALUE")
	}
	d := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout")))
	d.UseNumber()
	var doc any
	ts.Check(d.Decode(&doc))
	if d.More() {
		ts.Fatalf("more than one document on stdout")
	}
	for _, step := range strings.Split(args[0], ".") {
		switch v := doc.(type) {
		case map[string]any:
			doc = v[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(v) {
				ts.Fatalf("%s: no item %s of %d", args[0], step, len(v))
			}
			doc = v[i]
		default:
			doc = nil
		}
	}
	if got := fmt.Sprint(doc); (got == args[1]) == neg {
		ts.Fatalf("%s is %s", args[0], got)
	}
}

// head is "head FILE BYTES TO": the beginning of a file becomes another.
func head(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 || neg {
		ts.Fatalf("usage: head FILE BYTES TO")
	}
	b := []byte(ts.ReadFile(args[0]))
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), b[:n], 0o644))
}

// checkPcapng is "pcapng FILE": the file is whole pcapng blocks, the last one
// statistics, which are written when a capture is completed.
func checkPcapng(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 || neg {
		ts.Fatalf("usage: pcapng FILE")
	}
	b := []byte(ts.ReadFile(args[0]))
	var last, blocks uint32
	for len(b) > 0 {
		if len(b) < 12 {
			ts.Fatalf("%d bytes behind the last of %d blocks", len(b), blocks)
		}
		n := binary.LittleEndian.Uint32(b[4:])
		if n < 12 || int(n) > len(b) || binary.LittleEndian.Uint32(b[n-4:]) != n {
			ts.Fatalf("block %d is cut short", blocks)
		}
		last, blocks, b = binary.LittleEndian.Uint32(b), blocks+1, b[n:]
	}
	const statistics = 5
	if last != statistics || blocks < 4 {
		ts.Fatalf("%d blocks, the last of type %d", blocks, last)
	}
}
