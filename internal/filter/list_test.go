package filter

import (
	"os"
	"strings"
	"testing"
)

// expressions are the lines of testdata/expressions.txt.
func expressions(t testing.TB) (list []string) {
	t.Helper()
	text, err := os.ReadFile("testdata/expressions.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			list = append(list, line)
		}
	}
	return list
}
