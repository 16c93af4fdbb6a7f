package interop

import (
	"flag"
	"os"
	"testing"
)

// together is how many of the tests that may run beside others do: what they do
// is wait for timers of protocols, each in a process of its own.
const together = "6"

func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", together); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
