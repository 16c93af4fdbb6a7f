package topo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// decoder reads a YAML tree and notes all that is wrong with it.
type decoder struct{ *Mistakes }

// text is a word of the file and where it stands.
type text struct {
	s    string
	line int
}

// maxFile bounds a file, in bytes.
const maxFile = 16 << 20

// tree returns the root of the one document in r, nil if there is none that can
// be read.
func (d *decoder) tree(r io.Reader) *yaml.Node {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	switch {
	case err != nil:
		d.at(0, "cannot be read: %v", err)
		return nil
	case len(data) > maxFile:
		d.at(0, "longer than %d MB: split the network up", maxFile>>20)
		return nil
	}
	in, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		d.at(1, "cannot be read: %v", err)
		return nil
	}
	var doc, more yaml.Node
	switch err := in.Load(&doc); {
	case err == io.EOF || err == nil && (len(doc.Content) != 1 || null(doc.Content[0])):
		d.at(1, "the file is empty: it needs hosts and links")
		return nil
	case err != nil:
		d.syntax(err)
		return nil
	}
	switch err := in.Load(&more); {
	case err == nil:
		d.at(max(more.Line, 1), "a second document begins here: a file is one network")
	case err != io.EOF:
		d.syntax(err)
	}
	d.plain(&doc)
	return doc.Content[0]
}

// syntax notes what the YAML reader says.
func (d *decoder) syntax(err error) {
	var many *yaml.LoadErrors
	var one *yaml.LoadError
	switch {
	case errors.As(err, &many):
		for _, e := range many.Errors {
			d.at(max(e.Mark.Line, 1), "not YAML: %s", e.Message)
		}
	case errors.As(err, &one):
		d.at(max(one.Mark.Line, one.ContextMark.Line, 1), "not YAML: %s", one.Message)
	default:
		d.at(1, "not YAML: %v", err)
	}
}

// plain refuses anchors and aliases: a name stands for one thing here.
func (d *decoder) plain(n *yaml.Node) {
	if n.Anchor != "" {
		d.at(n.Line, "&%s is an anchor, which these files do not have: write it out", n.Anchor)
	}
	for _, c := range n.Content {
		d.plain(c)
	}
}

// key is a field that an object may have. to reads its value.
type key struct {
	name string
	need bool
	to   func(name string, v *yaml.Node)
}

// needed makes a key one that must be there.
func needed(k key) key {
	k.need = true
	return k
}

// object reads a mapping with the given keys. Null is an empty mapping.
func (d *decoder) object(n *yaml.Node, what string, keys ...key) {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.name
	}
	had := make(map[string]int)
	if !null(n) {
		if n.Kind != yaml.MappingNode {
			d.at(n.Line, "%s is %s: write %s", what, kind(n), pattern(keys))
			return
		}
		d.pairs(n, what, had, func(k, v *yaml.Node) {
			for _, f := range keys {
				if f.name == k.Value {
					f.to(f.name, v)
					return
				}
			}
			d.at(k.Line, "%s has no field %q: %s", what, k.Value, OneOf("its fields", names, k.Value))
		})
	}
	for _, f := range keys {
		if f.need && had[f.name] == 0 {
			d.at(n.Line, "%s has no %s: add it", what, f.name)
		}
	}
}

// pairs calls f for what a mapping holds, and notes keys that come twice. had is
// filled with the lines of the keys.
func (d *decoder) pairs(n *yaml.Node, what string, had map[string]int, f func(k, v *yaml.Node)) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind != yaml.ScalarNode {
			d.at(k.Line, "%s has %s for a name: write a word", what, kind(k))
			continue
		}
		if first := had[k.Value]; first != 0 {
			d.at(k.Line, "%s has %s twice, first in line %d: remove one", what, k.Value, first)
			continue
		}
		had[k.Value] = k.Line
		f(k, v)
	}
}

// list calls f for each item. Null is an empty list.
func (d *decoder) list(name string, n *yaml.Node, f func(v *yaml.Node)) {
	switch {
	case null(n):
	case n.Kind != yaml.SequenceNode:
		d.at(n.Line, "%s is %s: write a list", name, kind(n))
	default:
		for _, v := range n.Content {
			f(v)
		}
	}
}

func pattern(keys []key) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, k := range keys {
		if i == 4 {
			b.WriteString(", …")
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(k.name + ": …")
	}
	return b.String() + "}"
}

func null(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// kind describes a node that is not what it should be.
func kind(n *yaml.Node) string {
	switch {
	case null(n):
		return "empty"
	case n.Kind == yaml.ScalarNode:
		return strconv.Quote(n.Value)
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Kind == yaml.AliasNode:
		return "an alias"
	}
	return "a mapping"
}

// scalar returns the text of a value; false, and a mistake, where there is none.
func (d *decoder) scalar(name string, v *yaml.Node, want string) (string, bool) {
	if v.Kind != yaml.ScalarNode || null(v) || v.Value == "" {
		d.at(v.Line, "%s is %s: %s", name, kind(v), want)
		return "", false
	}
	return v.Value, true
}

// value makes a key whose value is a scalar that parse understands or explains.
func value[T any](d *decoder, name string, to *T, want string, parse func(s string) (T, bool)) key {
	return key{name: name, to: func(name string, v *yaml.Node) {
		s, ok := d.scalar(name, v, want)
		if !ok {
			return
		}
		x, ok := parse(s)
		if !ok {
			d.at(v.Line, "%s is %q: %s", name, s, want)
			return
		}
		*to = x
	}}
}

func (d *decoder) word(name string, to *text) key {
	return key{name: name, to: func(name string, v *yaml.Node) {
		if s, ok := d.scalar(name, v, "write a name"); ok {
			*to = text{s, v.Line}
		}
	}}
}

// words reads a list of names, or a single one.
func (d *decoder) words(name string, to *[]text) key {
	return key{name: name, to: func(name string, v *yaml.Node) {
		one := func(v *yaml.Node) {
			if s, ok := d.scalar("an item of "+name, v, "write a name"); ok {
				*to = append(*to, text{s, v.Line})
			}
		}
		switch {
		case v.Kind == yaml.ScalarNode && !null(v):
			one(v)
		case null(v) || v.Kind == yaml.SequenceNode && len(v.Content) == 0:
			d.at(v.Line, "%s is empty: write names, or leave it out", name)
		default:
			d.list(name, v, one)
		}
	}}
}

func (d *decoder) integer(name string, to *int, lo, hi int) key {
	return value(d, name, to, fmt.Sprintf("write a whole number, %d to %d", lo, hi), func(s string) (int, bool) {
		n, err := strconv.Atoi(s)
		return n, err == nil && n >= lo && n <= hi
	})
}

func (d *decoder) boolean(name string, to *bool) key {
	return value(d, name, to, "write true or false", func(s string) (bool, bool) { return s == "true", s == "true" || s == "false" })
}

// maxTime bounds every moment and duration of a file.
const maxTime = 1000 * time.Hour

func (d *decoder) duration(name string, to *time.Duration, most time.Duration) key {
	return value(d, name, to, fmt.Sprintf("write a time with its unit, as 250us, 10ms or 2s, 0s to %v", most), func(s string) (time.Duration, bool) {
		t, err := time.ParseDuration(s)
		return t, err == nil && t >= 0 && t <= most
	})
}

func (d *decoder) chance(name string, to *float64) key {
	return value(d, name, to, "a probability is 0 to 1, or 0% to 100%", parseChance)
}

func parseChance(s string) (float64, bool) {
	digits, percent := strings.CutSuffix(s, "%")
	p, ok := decimal(strings.TrimSpace(digits))
	if percent {
		p /= 100
	}
	return p, ok && p >= 0 && p <= 1
}

// decimal reads a number without exponent or sign.
func decimal(s string) (float64, bool) {
	if s == "" || strings.Trim(s, "0123456789.") != "" {
		return 0, false
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil
}

// scaled reads a number with one of the suffixes, the longest first.
func scaled(s string, suffixes []string, factors []float64) (int64, bool) {
	factor := 1.0
	for i, suffix := range suffixes {
		if rest, ok := strings.CutSuffix(s, suffix); ok {
			s, factor = strings.TrimSpace(rest), factors[i]
			break
		}
	}
	f, ok := decimal(s)
	f *= factor
	return int64(f), ok && f >= 1 && f <= 1e12
}

func (d *decoder) bits(name string, to *int64) key {
	return value(d, name, to, "write bits per second, as 64kbit/s, 10Mbit/s or 1Gbit/s, up to 1000Gbit/s", func(s string) (int64, bool) {
		s = strings.TrimSuffix(s, "bit/s")
		return scaled(strings.TrimSpace(s), []string{"k", "M", "G"}, []float64{1e3, 1e6, 1e9})
	})
}

func (d *decoder) bytes(name string, to *int, most int) key {
	return value(d, name, to, fmt.Sprintf("write bytes, as 1500, 64KiB or 1MiB, up to %dMiB", most>>20), func(s string) (int, bool) {
		n, ok := scaled(strings.TrimSuffix(s, "B"), []string{"Ki", "Mi", "k", "M"}, []float64{1 << 10, 1 << 20, 1e3, 1e6})
		return int(n), ok && n <= int64(most)
	})
}
