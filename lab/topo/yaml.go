package topo

import (
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// plainWord is what needs no quotes, unless it is a word that YAML knows.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_./%-]*$`)

// word writes a scalar.
func word(s string) string {
	if plainWord.MatchString(s) && !strings.EqualFold(s, "null") {
		return s
	}
	return strconv.Quote(s)
}

// mapping writes a mapping in one line.
type mapping struct{ pairs []string }

// put adds a pair whose value is written already.
func (m *mapping) put(name, value string) { m.pairs = append(m.pairs, word(name)+": "+value) }

func (m *mapping) word(name, s string) {
	if s != "" {
		m.put(name, word(s))
	}
}

func (m *mapping) words(name string, list []string) {
	switch len(list) {
	case 0:
	case 1:
		m.word(name, list[0])
	default:
		m.put(name, inline(list))
	}
}

func (m *mapping) number(name string, v, without int64) {
	if v != without {
		m.put(name, strconv.FormatInt(v, 10))
	}
}

func (m *mapping) flag(name string, v, without bool) {
	if v != without {
		m.put(name, strconv.FormatBool(v))
	}
}

func (m *mapping) part(name string, v float64) {
	if v != 0 {
		m.put(name, strconv.FormatFloat(v, 'f', -1, 64))
	}
}

// sub adds a mapping, unless it is empty.
func (m *mapping) sub(name string, o *mapping) {
	if len(o.pairs) > 0 {
		m.put(name, o.String())
	}
}

// String writes the mapping.
func (m *mapping) String() string { return "{" + strings.Join(m.pairs, ", ") + "}" }

// inline writes a list of words in one line.
func inline(list []string) string {
	words := make([]string, len(list))
	for i, s := range list {
		words[i] = word(s)
	}
	return "[" + strings.Join(words, ", ") + "]"
}

// inlineNode writes what was read, in one line.
func inlineNode(v *yaml.Node) string {
	switch v.Kind {
	case yaml.MappingNode:
		var m mapping
		for i := 0; i+1 < len(v.Content); i += 2 {
			m.put(v.Content[i].Value, inlineNode(v.Content[i+1]))
		}
		return m.String()
	case yaml.SequenceNode:
		var list []string
		for _, c := range v.Content {
			list = append(list, inlineNode(c))
		}
		return "[" + strings.Join(list, ", ") + "]"
	}
	if null(v) {
		return "null"
	}
	return word(v.Value)
}
