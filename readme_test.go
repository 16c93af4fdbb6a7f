package vimage_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var fence = regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$")

// TestReadme compiles and runs the code blocks of the README: Go blocks as
// tests, lines of shell blocks as commands. Commands that this test is a part of
// are left to those who run them.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	bin := filepath.Join(dir, "vimage")
	if out, err := exec.Command("go", "build", "-o", bin, "./cmd/vimage").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	short, err := os.MkdirTemp("", "rm") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(short)
	t.Setenv("XDG_RUNTIME_DIR", short)
	defer exec.Command(bin, "down", "--all").Run()
	ran := map[string]int{}
	for _, b := range fence.FindAllStringSubmatch(string(text), -1) {
		switch b[1] {
		case "go":
			runGo(t, dir, b[2])
			ran["go"]++
		case "sh":
			for _, line := range strings.Split(strings.TrimSpace(b[2]), "\n") {
				if runLine(t, dir, bin, line) {
					ran["sh"]++
				}
			}
		default:
			t.Errorf("a block of %q: nobody runs it", b[1])
		}
	}
	if ran["go"] < 1 || ran["sh"] < 3 {
		t.Errorf("only %v blocks and lines were found to run", ran)
	}
}

// runGo runs a Go block as a test package of this module, which exists in an
// overlay only.
func runGo(t *testing.T, dir, code string) {
	t.Helper()
	file := filepath.Join(dir, "block_test.go")
	if err := os.WriteFile(file, []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, "readmeblock", "block_test.go"): file}})
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(dir, "block.test")
	if out, err := exec.Command("go", "test", "-c", "-vet=off", "-overlay", list, "-o", bin, "./readmeblock").CombinedOutput(); err != nil {
		t.Fatalf("%v:\n%s\n%s", err, code, out)
	}
	if out, err := exec.Command(bin, "-test.v").CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Errorf("%v:\n%s\n%s", err, code, out)
	}
}

// runLine runs one command of a shell block and tells whether it is one to run.
func runLine(t *testing.T, dir, bin, line string) bool {
	t.Helper()
	args, ok := strings.CutPrefix(line, "go run ./cmd/vimage ")
	if !ok {
		args, ok = strings.CutPrefix(line, "./vimage ")
	}
	if !ok {
		if line != "go test ./..." && line != "go build ./cmd/vimage" {
			t.Errorf("%q: not a command that can be run here", line)
		}
		return false
	}
	words := strings.Fields(args)
	for i, w := range words {
		if strings.HasSuffix(w, ".pcapng") || i > 0 && words[0] == "save" {
			words[i] = filepath.Join(dir, w) // what a command writes goes elsewhere
		}
	}
	if out, err := exec.Command(bin, words...).CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", line, err, out)
	}
	return true
}
