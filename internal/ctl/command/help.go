package command

import (
	"fmt"
	"io"
	"strings"
)

// Help writes how the command is used.
func (c *Command) Help(w io.Writer) {
	fmt.Fprintf(w, "%s - %s\n\n%s", c.Name, c.Short, c.usage())
	if text := c.text(); text != "" {
		fmt.Fprintf(w, "\n%s\n", text)
	}
	fmt.Fprint(w, "\nOptions:\n")
	for _, o := range c.options() {
		head := strings.TrimSpace(o.Name + " " + o.Arg)
		if len(head) > 12 {
			head += "\n" + strings.Repeat(" ", 14)
		}
		fmt.Fprintf(w, "  %-12s %s\n", head, o.Help)
	}
	fmt.Fprint(w, "\nExamples:\n")
	for _, x := range c.Example {
		fmt.Fprintf(w, "  vimage %s\n", x)
	}
	if c.Linux != "" {
		fmt.Fprintf(w, "\nIf you come from Linux: %s\n", c.Linux)
	}
}

// text returns what there is to be said of the command.
func (c *Command) text() string {
	text := strings.TrimSpace(c.Long)
	if c.Whole {
		text += "\n\nIt acts on the network as a whole: jexec and the like do not run it in a jail."
	}
	return text
}
