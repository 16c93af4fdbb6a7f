package command

import (
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/seed88948545/vimage/client"
)

// topKeys returns the keys that what a terminal sends stands for: a character, or a
// name. What is not known is left out.
func topKeys(b []byte) (keys []string) {
	for len(b) > 0 {
		if b[0] == 0x1b {
			n := escape(b)
			if name := namedKey(string(b[1:n])); name != "" {
				keys = append(keys, name)
			}
			b = b[n:]
			continue
		}
		r, n := utf8.DecodeRune(b)
		switch {
		case r == 3: // Ctrl-C
			keys = append(keys, "q")
		case r == '\t':
			keys = append(keys, "tab")
		case r >= ' ' && r != 0x7f:
			keys = append(keys, string(r))
		}
		b = b[n:]
	}
	return keys
}

// escape returns the length of the sequence that b begins with (ECMA-48 §5.4), or of
// what there is of it.
func escape(b []byte) int {
	if len(b) < 2 || b[1] != '[' && b[1] != 'O' {
		return 1
	}
	for n := 2; n < len(b); n++ {
		if b[n] >= 0x40 && b[n] <= 0x7e {
			return n + 1
		}
	}
	return len(b)
}

func namedKey(sequence string) string {
	switch sequence {
	case "[A", "OA":
		return "up"
	case "[B", "OB":
		return "down"
	case "[C", "OC":
		return ">"
	case "[D", "OD":
		return "<"
	case "[5~":
		return "pgup"
	case "[6~":
		return "pgdn"
	case "[H", "OH", "[1~":
		return "home"
	case "[F", "OF", "[4~":
		return "end"
	}
	return ""
}

// press is what a key does, on a screen of so many lines; rows is how many things there
// are of the kind that is shown alone. It tells whether that is the end.
func (v *topView) press(key string, height, rows int) (end bool) {
	kinds := client.ActivityKinds()
	page := max(1, height-3)
	if v.help && key != "q" {
		v.help = false
		return false
	}
	switch key {
	case "q":
		return true
	case "h", "?":
		v.help = true
	case " ":
		v.paused = !v.paused
	case "s", "l", "g", "f":
		at := slices.IndexFunc(kinds, func(k string) bool { return strings.HasPrefix(k, key) })
		v.show(kinds[at : at+1])
	case "a":
		v.show(kinds)
	case "tab":
		v.show(v.next(kinds, height))
	case "<":
		v.sortNext(height, -1)
	case ">":
		v.sortNext(height, 1)
	case "up":
		v.from--
	case "down":
		v.from++
	case "pgup":
		v.from -= page
	case "pgdn":
		v.from += page
	case "home":
		v.from = 0
	case "end":
		v.from = rows
	}
	v.from = max(0, min(v.from, rows-page))
	return false
}

func (v *topView) show(kinds []string) { v.shown, v.from = kinds, 0 }

// next returns what is shown after what is shown now: each kind alone, then all.
func (v *topView) next(kinds []string, height int) []string {
	at := -1
	if now := v.visible(height); len(now) == 1 {
		at = slices.Index(kinds, now[0])
	}
	if at+1 == len(kinds) {
		return kinds
	}
	return kinds[at+1 : at+2]
}

// sortNext sorts the kinds that are shown by the next of their keys, or the one before.
func (v *topView) sortNext(height, step int) {
	v.keys = maps.Clone(v.keys)
	for _, kind := range v.visible(height) {
		keys := client.ActivityKeys(kind)
		at := slices.Index(keys, v.keys[kind])
		v.keys[kind] = keys[(at+step+len(keys))%len(keys)]
	}
}
