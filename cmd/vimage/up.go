package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/lab/topo"
)

// upFlags are the options of up.
type upFlags struct {
	limit   time.Duration
	seed    uint64
	virtual bool
	json    bool
	capture []string
	detach  bool
	name    string
}

func newUp() *cobra.Command {
	f := new(upFlags)
	c := &cobra.Command{
		Use:   "up FILE.yaml",
		Short: "run the network of a file and check what it expects",
		Long: `The file describes hosts, routers, switches and the links between them, groups to
join, flows to send, and what is expected in the end. up builds the network, runs
it until the flows have ended and nothing has been under way for a second, prints
what was counted and what has become of each expectation, and last the verdict.
The exit status is 0 if all hold, 1 if one does not, and 2 if there is a mistake
in the file: then all mistakes are listed and nothing is started.

With -d the network is left running, and up returns as soon as it is: the commands
that vimage --help lists for a running lab act on it, until vimage down.`,
		Example: `  vimage up examples/two-hosts.yaml
  vimage up examples/lossy-link.yaml --virtual --seed 7 --capture radio=radio.pcapng
  vimage up examples/ssm.yaml --virtual --json
  vimage up examples/two-hosts.yaml -d`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{fmt.Errorf("%d arguments for %q: name one file (see %s --help)", len(args), c.CommandPath(), c.CommandPath())}
			}
			return nil
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
		},
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case f.detach:
				return f.leave(c, args[0])
			case f.name != "":
				return usageError{errors.New("--name is that of a lab that is left running: it goes with -d")}
			}
			return f.run(c, args[0])
		},
	}
	fl := c.Flags()
	fl.BoolVarP(&f.detach, "detach", "d", false, "leave the network running in the background")
	fl.StringVar(&f.name, "name", "", "with -d, the lab's name; that of the file, without its ending, if none is given")
	fl.DurationVar(&f.limit, "for", 0, "stop the flows after this time; 0: when they end")
	fl.Uint64Var(&f.seed, "seed", 1, "seed of everything random")
	fl.BoolVar(&f.virtual, "virtual", false, "simulated time: fast, and the same seed gives the same bytes")
	fl.BoolVar(&f.json, "json", false, "print one JSON document; progress goes to stderr")
	fl.StringArrayVar(&f.capture, "capture", nil, "write a link's frames to a pcapng file, as `LINK=FILE`; may be repeated")
	c.RegisterFlagCompletionFunc("capture", completeCapture)
	return c
}

// completeCapture offers the links of the file on the command line.
func completeCapture(_ *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) != 1 || strings.Contains(word, "=") {
		return nil, cobra.ShellCompDirectiveDefault
	}
	file, err := loadFile(args[0])
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var all []string
	for _, l := range file.Links() {
		all = append(all, l+"=")
	}
	return all, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
}

func loadFile(name string) (*topo.File, error) {
	r, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return topo.Load(r, name)
}

// loadTopology loads a file and prints its mistakes.
func loadTopology(c *cobra.Command, name string) (*topo.File, error) {
	file, err := loadFile(name)
	var bad *topo.Mistakes
	switch {
	case errors.As(err, &bad):
		fmt.Fprintln(c.ErrOrStderr(), bad)
		return nil, usageError{fmt.Errorf("%s: mistakes: %d; nothing was started", name, len(bad.List))}
	case err != nil:
		return nil, usageError{err}
	}
	return file, nil
}

func (f *upFlags) run(c *cobra.Command, name string) (err error) {
	file, err := loadTopology(c, name)
	switch {
	case err != nil:
		return err
	case f.limit < 0:
		return usageError{fmt.Errorf("--for %v: a time of 0s or more", f.limit)}
	}
	captures, err := f.captures(file)
	if err != nil {
		return err
	}
	defer func() {
		for _, c := range captures {
			err = errors.Join(err, c.W.(*os.File).Close())
		}
	}()
	n, err := topo.Build(file, lab.Config{Seed: f.seed, Simulated: f.virtual}, captures...)
	if err != nil {
		return err
	}
	defer n.Close()
	p := newProgress(c.ErrOrStderr())
	err = n.Run(c.Context(), f.limit, func(done, of time.Duration) {
		p.show("running, seconds", int(done.Seconds()), int(of.Seconds()))
	})
	p.end()
	if err = errors.Join(err, n.Lab.EndCapture()); err != nil {
		return err
	}
	return printReport(c.OutOrStdout(), n.Report(f.seed), f.json)
}

// captures opens the files that links are recorded to, once it is known that
// there are such links.
func (f *upFlags) captures(file *topo.File) ([]topo.Capture, error) {
	var links, files []string
	for _, s := range f.capture {
		link, name, ok := strings.Cut(s, "=")
		if !ok || name == "" {
			return nil, usageError{fmt.Errorf("--capture %s: write LINK=FILE, as in %s=%s.pcapng", s, first(file.Links()), first(file.Links()))}
		}
		if err := file.CheckLink(link); err != nil {
			return nil, usageError{fmt.Errorf("--capture %s: %w", s, err)}
		}
		for i := range links {
			if links[i] == link || files[i] == name {
				return nil, usageError{fmt.Errorf("--capture %s: %s=%s is given already: each link has one file, each file one link", s, links[i], files[i])}
			}
		}
		links, files = append(links, link), append(files, name)
	}
	var all []topo.Capture
	for i, name := range files {
		w, err := os.Create(name)
		if err != nil {
			for _, c := range all {
				c.W.(*os.File).Close()
			}
			return nil, err
		}
		all = append(all, topo.Capture{Link: links[i], W: w})
	}
	return all, nil
}

func first(names []string) string {
	if len(names) == 0 {
		return "LINK"
	}
	return names[0]
}
