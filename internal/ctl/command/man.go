package command

import (
	"fmt"
	"io"
	"strings"
)

// Page is what a manual page is made of.
type Page struct {
	Name     string // of the command, without vimage
	Short    string
	Synopsis []string // lines, without its name
	Long     string   // paragraphs; lines that are indented stay as they are
	Options  [][2]string
	Example  []string // lines to type
	Linux    string
	See      []string // other commands
}

// Page returns what the command's manual page is made of.
func (c *Command) Page() Page {
	p := Page{Name: c.Name, Short: c.Short, Synopsis: c.Synopsis, Long: c.text(), Linux: c.Linux}
	for _, o := range c.options() {
		p.Options = append(p.Options, [2]string{strings.TrimSpace(o.Name + " " + o.Arg), o.Help})
	}
	for _, x := range c.Example {
		p.Example = append(p.Example, "vimage "+x)
	}
	for _, o := range Table() {
		if o.Name != c.Name {
			p.See = append(p.See, o.Name)
		}
	}
	return p
}

// Man writes a manual page of section 1, for man(7).
func (p *Page) Man(w io.Writer) error {
	full := strings.ReplaceAll(strings.TrimSpace("vimage "+p.Name), " ", "-")
	var b strings.Builder
	fmt.Fprintf(&b, ".TH %s 1\n.SH NAME\n%s \\- %s\n.SH SYNOPSIS\n.nf\n", strings.ToUpper(roff(full)), roff(full), roff(p.Short))
	for _, s := range p.Synopsis {
		b.WriteString(strings.TrimSpace(fmt.Sprintf("\\fB%s\\fR %s", roff(strings.TrimSpace("vimage "+p.Name)), roff(s))) + "\n")
	}
	b.WriteString(".fi\n.SH DESCRIPTION\n")
	manText(&b, p.Long)
	if len(p.Options) > 0 {
		b.WriteString(".SH OPTIONS\n")
	}
	for _, o := range p.Options {
		fmt.Fprintf(&b, ".TP\n\\fB%s\\fR\n%s\n", roff(o[0]), roff(o[1]))
	}
	if len(p.Example) > 0 {
		b.WriteString(".SH EXAMPLES\n.nf\n")
		for _, x := range p.Example {
			b.WriteString(roff(x) + "\n")
		}
		b.WriteString(".fi\n")
	}
	if p.Linux != "" {
		fmt.Fprintf(&b, ".SH IF YOU COME FROM LINUX\n%s\n", roff(p.Linux))
	}
	if len(p.See) > 0 {
		var all []string
		for _, s := range p.See {
			all = append(all, "\\fB"+roff("vimage-"+strings.ReplaceAll(s, " ", "-"))+"\\fR(1)")
		}
		fmt.Fprintf(&b, ".SH SEE ALSO\n%s\n", strings.Join(all, ", "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// manText writes paragraphs; what is indented is shown as it is.
func manText(b *strings.Builder, text string) {
	as := false
	for line := range strings.Lines(strings.TrimSpace(text)) {
		line = strings.TrimRight(line, "\n")
		if is := strings.HasPrefix(line, " "); is != as && line != "" {
			b.WriteString(map[bool]string{true: ".nf\n", false: ".fi\n"}[is])
			as = is
		}
		switch {
		case line == "" && !as:
			b.WriteString(".PP\n")
		case line == "":
			b.WriteString("\n")
		default:
			b.WriteString(roff(line) + "\n")
		}
	}
	if as {
		b.WriteString(".fi\n")
	}
}

// roff writes text so that it means nothing to roff.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "…", "...").Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		return `\&` + s
	}
	return s
}
