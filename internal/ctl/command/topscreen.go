package command

import (
	"slices"
	"strings"
	"time"

	"github.com/seed88948545/vimage/client"
)

// Screen is a terminal on which a command draws, and from which it gets single keys.
type Screen interface {
	// Size returns how many characters a line has, and how many lines there are.
	Size() (width, height int)
	// Raw has keys come at once, unseen, and none of them be a signal, until restore
	// is called. keys is what is typed.
	Raw() (keys <-chan []byte, restore func(), err error)
}

// What a terminal is told (ECMA-48, and xterm's private modes).
const (
	enterScreen  = "\x1b[?1049h\x1b[?25l" // another screen, no cursor
	leaveScreen  = "\x1b[?25h\x1b[?1049l"
	toTop        = "\x1b[H"
	clearLine    = "\x1b[2K"
	clearBelow   = "\x1b[J"
	reverseVideo = "\x1b[7m"
	plainVideo   = "\x1b[m"
)

// resizePoll is how often the screen is asked for its size.
const resizePoll = 200 * time.Millisecond

// topScreen is the command on a terminal.
type topScreen struct {
	*top
	width, height int
	last          *client.Activity
	x             *client.Activities
	news          <-chan client.ActivityNews
}

// onScreen shows what happens until a key, or the lab, ends it.
func (t *top) onScreen() int {
	keys, restore, err := t.e.Screen.Raw()
	if err != nil {
		return t.e.Fail(err)
	}
	if err := t.drawn(keys, restore); err != nil {
		return t.ended(err)
	}
	return 0
}

// drawn is what happens between the terminal's becoming a screen and its being what it
// was, also after a panic.
func (t *top) drawn(keys <-chan []byte, restore func()) error {
	defer restore()
	t.e.Out.WriteString(enterScreen)
	defer func() {
		t.e.Out.WriteString(leaveScreen)
		t.e.Out.Flush()
	}()
	s := &topScreen{top: t}
	if t.q.Top == 0 {
		t.q.Top = terminalRows
	}
	s.width, s.height = t.e.Screen.Size()
	s.draw()
	if err := s.begin(); err != nil {
		return err
	}
	defer func() { s.x.Close() }()
	return s.loop(keys)
}

// begin begins to count, once more where it had begun.
func (s *topScreen) begin() error {
	x, err := s.c.Activity(s.e.Ctx, s.q)
	if err != nil {
		return err
	}
	if s.x != nil {
		s.x.Close()
	}
	s.x, s.news = x, x.News()
	return nil
}

func (s *topScreen) loop(keys <-chan []byte) error {
	resize := time.NewTicker(resizePoll)
	defer resize.Stop()
	for shown := 0; ; {
		select {
		case <-s.e.Ctx.Done():
			return s.e.Ctx.Err()
		case n := <-s.news:
			switch {
			case n.Err != nil:
				return n.Err
			case s.view.paused:
				continue
			}
			s.last = n.Activity
			if shown++; shown == s.count {
				s.draw()
				return nil
			}
		case b := <-keys:
			if end, err := s.pressed(b); end {
				return err
			}
		case <-resize.C:
			w, h := s.e.Screen.Size()
			if w == s.width && h == s.height {
				continue
			}
			s.width, s.height = w, h
		}
		s.draw()
	}
}

// pressed does what keys want.
func (s *topScreen) pressed(b []byte) (end bool, err error) {
	for _, k := range topKeys(b) {
		if s.view.press(k, s.height, s.rows()) {
			return true, nil
		}
	}
	if by := s.view.sorts(); !slices.Equal(by, s.q.Sort) {
		s.q.Sort = by
		if s.more() {
			if err := s.begin(); err != nil {
				return true, err
			}
		}
	}
	return false, nil
}

// rows returns how many rows there are of the kind that is shown alone.
func (s *topScreen) rows() int {
	if s.last == nil || len(s.view.visible(s.height)) != 1 {
		return 0
	}
	p, _ := s.view.pane(s.last, s.view.shown[0])
	return len(p.rows)
}

// more tells whether there is more than the lab has told: then it must sort itself.
func (s *topScreen) more() bool {
	a := s.last
	return a == nil || a.Stacks.Count > len(a.Stacks.Top) || a.Links.Count > len(a.Links.Top) ||
		a.Groups.Count > len(a.Groups.Top) || a.Flows.Count > len(a.Flows.Top)
}

// draw draws the screen.
func (s *topScreen) draw() {
	var b strings.Builder
	b.WriteString(toTop)
	lines := s.view.draw(s.last, s.width, s.height)
	for i, l := range lines {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(clearLine)
		if l.title {
			b.WriteString(reverseVideo + l.text + strings.Repeat(" ", max(0, s.width-len([]rune(l.text)))) + plainVideo)
		} else {
			b.WriteString(l.text)
		}
	}
	if len(lines) < s.height {
		b.WriteString("\r\n" + clearBelow)
	}
	s.e.Out.WriteString(b.String())
	s.e.Out.Flush()
}
