package gmptest

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the transcripts in testdata")

// Transcripts runs every file that matches: paragraphs of commands, each with
// the complete output behind a line of four dashes. # starts a comment. fresh
// returns what does a command, for each file anew.
func Transcripts(t *testing.T, pattern string, fresh func(t *testing.T) func(cmd string) string) {
	files, _ := filepath.Glob(pattern)
	if len(files) == 0 {
		t.Fatalf("no transcripts in %s", pattern)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(string(b), fresh(t))
			switch {
			case *update:
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			case got != string(b):
				t.Errorf("%s does not say what happens (-update rewrites it); now:\n%s", file, got)
			}
		})
	}
}

func play(script string, do func(cmd string) string) string {
	var got strings.Builder
	for i, p := range strings.Split(strings.TrimSpace(script), "\n\n") {
		commands, _, _ := strings.Cut(p, "\n----")
		if i > 0 {
			got.WriteString("\n")
		}
		got.WriteString(commands + "\n")
		output, ran := "", false
		for line := range strings.Lines(commands) {
			if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
				output, ran = output+do(line), true
			}
		}
		if ran {
			got.WriteString("----\n" + output)
		}
	}
	return got.String()
}

// words splits a command into its words, lists in braces staying whole, and its
// key=value options.
func words(cmd string) (list []string, options map[string]string) {
	options = map[string]string{}
	for cmd = strings.TrimSpace(cmd); cmd != ""; cmd = strings.TrimSpace(cmd) {
		end := strings.IndexByte(cmd+" ", ' ')
		if i := strings.IndexByte(cmd, '{'); i >= 0 && i < end {
			end = strings.IndexByte(cmd, '}') + 1
		}
		word := cmd[:end]
		cmd = cmd[end:]
		if k, v, ok := strings.Cut(word, "="); ok {
			options[k] = v
		} else {
			list = append(list, word)
		}
	}
	return list, options
}
