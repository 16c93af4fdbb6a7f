//go:build !novimage

package command

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"github.com/seed88948545/vimage/client"
	"github.com/seed88948545/vimage/internal/ctl/ctltest"
)

var update = flag.Bool("update", false, "rewrite the transcripts in testdata")

// TestTranscripts plays the sessions in testdata: the file of a lab, a line "---", then
// commands behind "$ ", each with what it prints and, unless that is 0, its exit status.
// "$ wait 5s" lets time pass, which commands do only where they wait themselves, and
// "$ interrupt 5s" in front of a command ends it after so long. Lines that begin with #
// say what is shown.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) { playFile(t, f) })
	}
}

func playFile(t *testing.T, name string) {
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	file, session, ok := strings.Cut(string(want), "\n---\n")
	if !ok {
		t.Fatalf("%s: no line ---", name)
	}
	var got string
	cryptotest.SetGlobalRandom(t, 1) // of hardware addresses: those of two worlds differ
	synctest.Test(t, func(t *testing.T) {
		l := ctltest.Start(t, file)
		defer l.Close()
		if busy := setups()[strings.TrimSuffix(filepath.Base(name), ".txt")]; busy != nil {
			defer busy(t, l)()
		}
		got = file + "\n---\n" + play(t, l, session)
	})
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != string(want) {
		t.Errorf("%s: rewrite it with -update if that is right:\n%s", name, firstDifference(string(want), got))
	}
}

// firstDifference shows where two texts part.
func firstDifference(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(a), len(b)) {
		x, y := "(the end)", "(the end)"
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if x != y {
			return "line " + strconv.Itoa(i+1) + "\nwant " + x + "\ngot  " + y
		}
	}
	return ""
}

// play runs the commands of a session and returns it with what they print.
func play(t *testing.T, l *ctltest.Lab, session string) string {
	var out strings.Builder
	printed := false // what follows is what the last command printed
	for line := range strings.Lines(session) {
		line = strings.TrimSuffix(line, "\n")
		command, is := strings.CutPrefix(line, "$ ")
		switch {
		case is:
			if printed {
				out.WriteString("\n")
			}
			out.WriteString(line + "\n" + run(t, l, command))
			printed = true
		case strings.HasPrefix(line, "# "):
			if printed {
				out.WriteString("\n")
			}
			out.WriteString(line + "\n")
			printed = false
		case !printed && line != "":
			out.WriteString(line + "\n")
		}
	}
	return out.String()
}

// run runs one command line and returns what it prints.
func run(t *testing.T, l *ctltest.Lab, line string) string {
	args := words(line)
	if args[0] == "wait" {
		d, err := time.ParseDuration(args[1])
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		<-time.After(d)
		synctest.Wait()
		return ""
	}
	ctx := t.Context()
	if args[0] == "interrupt" {
		d, err := time.ParseDuration(args[1])
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		var cancel func()
		ctx, cancel = context.WithTimeout(ctx, d)
		defer cancel()
		args = args[2:]
	}
	c := Lookup(args[0])
	if c == nil {
		t.Fatalf("there is no command %s", args[0])
	}
	var b bytes.Buffer
	var clients []*client.Client
	e := &Env{Ctx: ctx, In: strings.NewReader(""), Out: bufio.NewWriter(&b), Err: &b, Open: func(string) (*client.Client, error) {
		clients = append(clients, l.Client())
		return clients[len(clients)-1], nil
	}}
	status := c.Main(e, args[1:])
	synctest.Wait()
	for _, c := range clients {
		c.Close()
	}
	synctest.Wait()
	if status != 0 {
		b.WriteString("[exit " + strconv.Itoa(status) + "]\n")
	}
	return b.String()
}

// words splits a line as a shell does, with single quotes.
func words(line string) (all []string) {
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			all = append(all, part)
		} else {
			all = append(all, strings.Fields(part)...)
		}
	}
	return all
}
