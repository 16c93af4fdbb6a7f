//go:build !novimage

package topo

import (
	"os"
	"strings"
	"testing"

	"github.com/seed88948545/vimage/lab"
)

// TestDoc: the file in the package comment is one, and passes.
func TestDoc(t *testing.T) {
	src, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(src), "// # A file\n")
	rest, _, _ = strings.Cut(rest, "// Nothing is guessed")
	var file strings.Builder
	for _, line := range strings.Split(rest, "\n") {
		if code, ok := strings.CutPrefix(line, "//\t"); ok {
			file.WriteString(code)
		}
		file.WriteByte('\n')
	}
	wantPass(t, run(t, loadText(t, file.String()), lab.Config{Simulated: true, Seed: 1}))
}
