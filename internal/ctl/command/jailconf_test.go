//go:build !novimage

package command

import (
	"fmt"
	"testing"
)

func TestJailConf(t *testing.T) {
	for _, x := range []struct{ text, want string }{
		{"", "[]"},
		{"a { }", "[{a [name=a]}]"},
		{"persist; a { vnet; } x = 1; b{vnet=inherit;}", "[{a [name=a persist vnet]} {b [name=b persist x=1 vnet=inherit]}]"},
		{"a { l = 1, 2 ,3; l += 4; m += 5; }", "[{a [name=a l=1,2,3,4 m=5]}]"},
		{"h = $name.x, ${name}y; a { n = 'q ; #'; }", "[{a [name=a h=a.x,ay n=q ; #]}]"},
		{"l = 1; a { l += 2; } b { }", "[{a [name=a l=1,2]} {b [name=b l=1]}]"},
		{"a { x = 1 2; }", `1: "2" in the value of x: separate values by commas, and put what has blanks into quotes`},
		{"a {\n x", "2: no ; behind x"},
		{"a { x;", "the braces of a are not closed"},
		{"{ }", `1: "{" where a name should be`},
		{"}", `1: "}" where a name should be`},
		{"a { x y; }", "1: write x = value;"},
		{"a { x =; }", "1: write x = value;"},
		{"\n/* x", "2: a comment is not closed"},
		{"'", "1: a quote is not closed"},
	} {
		got, err := readJailConf(x.text)
		text := fmt.Sprint(got)
		if err != nil {
			text = err.Error()
		}
		if text != x.want {
			t.Errorf("%q:\n%s\nwant %s", x.text, text, x.want)
		}
	}
}

// FuzzJailConf reads anything: there is always an end, and no jail without a name in
// what comes out.
func FuzzJailConf(f *testing.F) {
	f.Add("persist; a { l = 1, 2; l += ${name}; } # x\n'b' { }")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := readJailConf(text)
		if err != nil && all != nil {
			t.Errorf("%v and %v", all, err)
		}
		for _, b := range all {
			if len(b.params) == 0 {
				t.Errorf("%+v", b)
			}
		}
	})
}
