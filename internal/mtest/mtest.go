package mtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/usrreq"
)

// Config says what the interpreter works on.
type Config struct {
	Stack    *vimage.Stack
	Out, Err io.Writer
	Sleep    func(ctx context.Context, d time.Duration) error
	Open     func(name string) (io.ReadCloser, error) // of f; nil: there are no files
	// Prompt is printed before each command that is read by Run, not before those
	// of files.
	Prompt string
}

// Shell is an interpreter, with the sockets that its commands are about.
type Shell struct {
	Config
	s4, s6 *vimage.UDPConn
	failed int
	depth  int // of files
	macs   map[macKey]int
}

// maxDepth is how deep files may read files.
const maxDepth = 16

// New opens the sockets.
func New(c Config) (*Shell, error) {
	sh := &Shell{Config: c, macs: make(map[macKey]int)}
	for _, s := range []struct {
		network string
		to      **vimage.UDPConn
	}{{"udp4", &sh.s4}, {"udp6", &sh.s6}} {
		pc, err := c.Stack.ListenPacket(s.network, ":0")
		if err != nil {
			sh.Close()
			return nil, err
		}
		*s.to = pc.(*vimage.UDPConn)
	}
	return sh, nil
}

// Close closes the sockets: all groups are left.
func (sh *Shell) Close() {
	for _, c := range []*vimage.UDPConn{sh.s4, sh.s6} {
		if c != nil {
			c.Close()
		}
	}
}

// Failed returns how many commands have failed.
func (sh *Shell) Failed() int { return sh.failed }

// errQuit is what q returns.
var errQuit = errors.New("quit")

// Run obeys commands until there are no more, or one says quit, or ctx ends: then
// it returns the cause. That a command fails is no error of Run's.
func (sh *Shell) Run(ctx context.Context, in io.Reader) error {
	err := sh.read(ctx, in, sh.Prompt)
	if errors.Is(err, errQuit) {
		return nil
	}
	return err
}

// lines is where commands come from.
type lines struct {
	*bufio.Scanner
	show func()
}

func (l *lines) next() bool {
	l.show()
	return l.Scan()
}

// read obeys the commands of one stream.
func (sh *Shell) read(ctx context.Context, in io.Reader, prompt string) error {
	l := &lines{bufio.NewScanner(in), func() { io.WriteString(sh.Out, prompt) }}
	for l.next() {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		line := strings.TrimSpace(l.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		if err := sh.obey(ctx, line, l); err != nil {
			return err
		}
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return l.Err()
}

// fail prints that a command has not worked, and why.
func (sh *Shell) fail(reason string) {
	sh.failed++
	fmt.Fprintln(sh.Err, "mtest: "+reason)
	fmt.Fprintln(sh.Out, "-1")
}

// result prints what an errno says.
func (sh *Shell) result(what string, e syscall.Errno) {
	if e == 0 {
		fmt.Fprintln(sh.Out, "ok")
		return
	}
	sh.fail(what + ": " + strerror(e))
}

// obey obeys one command. Its error ends the session.
func (sh *Shell) obey(ctx context.Context, line string, l *lines) error {
	c, err := parse(line)
	if err != nil {
		sh.fail(err.Error())
		return nil
	}
	switch c.verb {
	case '?':
		sh.help()
	case 'q':
		return errQuit
	case 'f':
		return sh.file(ctx, c.file)
	case 's':
		if err := sh.Sleep(ctx, time.Duration(c.n)*time.Second); err != nil {
			return err
		}
		fmt.Fprintln(sh.Out, "ok")
	case 'a', 'd', 'm', 'p':
		sh.link(&c)
	case 'i', 'e':
		if err := c.rest(l); err != nil {
			sh.fail(err.Error())
			return nil
		}
		sh.member(&c)
	default:
		sh.member(&c)
	}
	return nil
}

// rest reads the sources that stand on the lines behind the command's.
func (c *command) rest(l *lines) error {
	for len(c.sources) < c.n {
		if !l.next() {
			return fmt.Errorf("%d sources, %d were announced", len(c.sources), c.n)
		}
		if err := c.listed(strings.TrimSpace(l.Text())); err != nil {
			return err
		}
	}
	return nil
}

func (sh *Shell) help() {
	for _, verb := range "jlietbgadmpsf?q" {
		what := map[rune]string{
			'j': "join a group, or one source of it", 'l': "leave it", 'i': "hear only these sources", 'e': "hear all but these sources",
			't': "allow a source", 'b': "block a source", 'g': "show the filter and up to N sources", 'a': "receive frames to an Ethernet group",
			'd': "no longer", 'm': "all Ethernet groups: not supported", 'p': "promiscuous mode", 's': "sleep", 'f': "commands of a file", '?': "this", 'q': "quit",
		}[verb]
		fmt.Fprintf(sh.Out, "%-22s %s\n", usage(byte(verb)), what)
	}
}

// file obeys the commands of a file.
func (sh *Shell) file(ctx context.Context, name string) error {
	if sh.Open == nil || sh.depth == maxDepth {
		sh.fail(fmt.Sprintf("%s: files cannot be read here, or too many are open", name))
		return nil
	}
	r, err := sh.Open(name)
	if err != nil {
		sh.fail(err.Error())
		return nil
	}
	defer r.Close()
	sh.depth++
	defer func() { sh.depth-- }()
	return sh.read(ctx, r, "")
}

// at finds the interface that a command names.
func (sh *Shell) at(name string) (at usrreq.McastIf, ok bool) {
	if ifi, err := sh.Stack.Interface(name); err == nil {
		return usrreq.McastIf{Index: uint32(ifi.Index())}, true
	}
	if a, err := netip.ParseAddr(name); err == nil {
		return usrreq.McastIf{Addr: a, Any: a.IsUnspecified()}, true
	}
	sh.fail(fmt.Sprintf("%.40s: %s", name, strerror(syscall.ENXIO)))
	return at, false
}

// member obeys what is about a membership.
func (sh *Shell) member(c *command) {
	at, ok := sh.at(c.ifi)
	if !ok {
		return
	}
	s := sh.s4.Internal()
	if c.group.Is6() {
		s = sh.s6.Internal()
	}
	switch c.verb {
	case 'j', 'l':
		op := usrreq.McastJoin
		switch join, one := c.verb == 'j', c.source.IsValid(); {
		case join && one:
			op = usrreq.McastJoinSource
		case one:
			op = usrreq.McastLeaveSource
		case !join:
			op = usrreq.McastLeave
		}
		sh.result(option(op, c.group), s.Mcast(op, at, c.group, c.source))
	case 'i':
		sh.result("setsourcefilter", s.SetSourceFilter(at, c.group, mcast.Include, c.sources))
	case 'e':
		sh.result("setsourcefilter", s.SetSourceFilter(at, c.group, mcast.Exclude, c.sources))
	default:
		f, e := s.SourceFilter(at, c.group)
		switch {
		case e != 0:
			sh.result("getsourcefilter", e)
		case c.verb == 'g':
			sh.show(f, c.n)
		default:
			op := delta(f.Mode, c.verb == 't')
			sh.result(option(op, c.group), s.Mcast(op, at, c.group, c.source))
		}
	}
}

// show prints a filter, and up to n of its sources.
func (sh *Shell) show(f mcast.Filter, n int) {
	fmt.Fprintf(sh.Out, "%s\n%d\n", strings.ToLower(f.Mode.String()), len(f.Sources))
	for _, a := range f.Sources[:min(n, len(f.Sources))] {
		fmt.Fprintln(sh.Out, a)
	}
	fmt.Fprintln(sh.Out, "ok")
}

// delta is the request that allows or blocks a source in a mode.
func delta(m mcast.Mode, allow bool) usrreq.McastOp {
	switch {
	case m == mcast.Exclude && allow:
		return usrreq.McastUnblock
	case m == mcast.Exclude:
		return usrreq.McastBlock
	case allow:
		return usrreq.McastJoinSource
	}
	return usrreq.McastLeaveSource
}

// option names the socket option of a request.
func option(op usrreq.McastOp, group netip.Addr) string {
	if group.Is4() {
		return [...]string{
			usrreq.McastJoin: "IP_ADD_MEMBERSHIP", usrreq.McastLeave: "IP_DROP_MEMBERSHIP",
			usrreq.McastJoinSource: "IP_ADD_SOURCE_MEMBERSHIP", usrreq.McastLeaveSource: "IP_DROP_SOURCE_MEMBERSHIP",
			usrreq.McastBlock: "IP_BLOCK_SOURCE", usrreq.McastUnblock: "IP_UNBLOCK_SOURCE",
		}[op]
	}
	return [...]string{
		usrreq.McastJoin: "IPV6_JOIN_GROUP", usrreq.McastLeave: "IPV6_LEAVE_GROUP",
		usrreq.McastJoinSource: "MCAST_JOIN_SOURCE_GROUP", usrreq.McastLeaveSource: "MCAST_LEAVE_SOURCE_GROUP",
		usrreq.McastBlock: "MCAST_BLOCK_SOURCE", usrreq.McastUnblock: "MCAST_UNBLOCK_SOURCE",
	}[op]
}

// strerror is what BSD says of the errors that membership requests have; of
// others it is what the system we run on says.
func strerror(e syscall.Errno) string {
	switch e {
	case syscall.EINVAL:
		return "Invalid argument"
	case syscall.EADDRINUSE:
		return "Address already in use"
	case syscall.EADDRNOTAVAIL:
		return "Can't assign requested address"
	case syscall.EAFNOSUPPORT:
		return "Address family not supported by protocol family"
	case syscall.ENOBUFS:
		return "No buffer space available"
	case syscall.ENOMEM:
		return "Cannot allocate memory"
	case syscall.ENOSPC:
		return "No space left on device"
	case syscall.ENXIO:
		return "Device not configured"
	case syscall.ENOENT:
		return "No such file or directory"
	case syscall.EOPNOTSUPP:
		return "Operation not supported"
	}
	return e.Error()
}

// Settled tells whether all reports of an interface have been sent, so many times
// as they are repeated.
func (sh *Shell) Settled(ifi *vimage.Interface) bool {
	return !control.ReportsPending(sh.Stack.Internal(), uint32(ifi.Index()))
}
