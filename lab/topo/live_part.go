package topo

import (
	"fmt"
	"regexp"

	"go.yaml.in/yaml/v4"
)

// part is the description of something that is to be added.
type part struct {
	*decoder
	root  *yaml.Node
	field map[int]string // by what stands for a line in it
}

// describe reads a description. Nothing at all is an empty one.
func describe(what string, spec []byte) *part {
	p := &part{decoder: &decoder{&Mistakes{File: what}}, field: make(map[int]string)}
	p.root = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}
	if len(spec) > maxFile {
		p.at(0, "longer than %d MB", maxFile>>20)
		return p
	}
	if len(spec) > 0 {
		var doc yaml.Node
		switch err := yaml.Unmarshal(spec, &doc); {
		case err != nil:
			p.at(0, "not YAML or JSON: %v", err)
			return p
		case len(doc.Content) == 1:
			p.root = doc.Content[0]
		}
		p.plain(p.root)
	}
	p.number(p.root, "")
	return p
}

// number gives every word of the description a line of its own.
func (p *part) number(v *yaml.Node, path string) {
	line := func(v *yaml.Node, path string) {
		v.Line = len(p.field) + 1
		p.field[v.Line] = path
	}
	line(v, path)
	if path != "" {
		path += "."
	}
	for i, c := range v.Content {
		switch {
		case v.Kind == yaml.SequenceNode:
			p.number(c, fmt.Sprintf("%s[%d]", trimDot(path), i))
		case i%2 == 1:
			line(v.Content[i-1], path+v.Content[i-1].Value)
			p.number(c, path+v.Content[i-1].Value)
		}
	}
}

func trimDot(path string) string {
	if path == "" {
		return ""
	}
	return path[:len(path)-1]
}

// named returns the description as what stands behind a name.
func (p *part) named(name string) *yaml.Node {
	k := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: name, Line: len(p.field) + 1}
	p.field[k.Line] = "name"
	return &yaml.Node{Kind: yaml.MappingNode, Line: 1, Content: []*yaml.Node{k, p.root}}
}

// lines is what mistakes say of lines of a file, which a description does not have.
var lines = regexp.MustCompile(`,? (since|in|first in) line \d+|\ \(line \d+\)`)

// done returns what is wrong with the description.
func (p *part) done() error {
	for i := range p.List {
		m := &p.List[i]
		m.Field, m.Text = p.field[m.Line], lines.ReplaceAllString(m.Text, "")
	}
	err := p.err()
	for i := range p.List {
		p.List[i].Line = 0
	}
	return err
}
