//go:build linux && !novimage

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed88948545/vimage/client"
)

// patience is how long a screen may take to show what it should, on a busy machine.
const patience = 30 * time.Second

// shellrc is the newcomer's shell: its prompt says how many commands there have been,
// and how the last one ended. Of the package bash-completion, which may not be installed,
// it has what vimage's script needs.
const shellrc = `
PS1='\#:$? $ '
PS2='> '
unset HISTFILE PROMPT_COMMAND
_get_comp_words_by_ref() {
	cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
	words=("${COMP_WORDS[@]}") cword=$COMP_CWORD
}
source <(vimage completion bash)
`

// TestNewcomer is somebody's first ten minutes, as README leads: a demonstration, a
// network of one's own that is left running, looking around in it, mistakes, changes,
// and its end. They are typed at a terminal, and read there.
func TestNewcomer(t *testing.T) {
	s := newTerminal(t)
	s.run("vimage --help", 0, "In a running lab:", "top +show what stacks", "up +run the network of a file")
	s.run("vimage demo ssm", 0, "delivered 100.0 %.*PASS")

	s.run(strings.Join([]string{
		"cat > home.yaml <<END",
		"hosts: [pc, printer]",
		"links: [{between: [pc, printer], subnet: 192.0.2.0/24}]",
		"flows: [{name: job, from: pc, to: printer, rate: 50, count: 1000000}]",
		"END",
	}, "\n"), 0)
	s.run("vimage up hom.yaml -d", 2, "vimage: .*hom.yaml: no such file")
	s.run("vimage up home.yaml -d", 0, "^home is up: see vimage jls; end it with vimage down$")
	s.run("vimage ls", 0, "^home +running +[0-9]+ .*home.yaml$")
	s.run("vimage jls", 0, "^ +JID +", "^ +[0-9]+ .*pc", "^ +[0-9]+ .*printer")
	s.lookAround()
	s.mistakes()
	s.complete()
	s.change()
	s.top()
	s.terminated()
	s.interrupt()
	s.run("vimage capture -c 3 -w job.pcapng pc-printer udp", 0, "3 packets")
	s.run("od -An -tx1 -N4 job.pcapng", 0, "^ 0a 0d 0d 0a$")
	if _, err := exec.LookPath("tshark"); err == nil {
		s.run("vimage capture -c 2 pc-printer udp | tshark -r - 2>/dev/null", 0, "192.0.2.1 +(→|->) +192.0.2.2 +UDP")
	}

	s.run("vimage save now.yaml", 0)
	s.run("grep -c laptop now.yaml", 0, "^[1-9]")
	s.run("vimage down", 0)
	if got := s.run("vimage ls", 0); got != "" {
		t.Errorf("it is still there: %s", got)
	}
	s.run("vimage jls", 1, "^jls: no lab is running: start one with vimage up FILE -d$")
}

func (s *terminal) lookAround() {
	s.run("vimage ping -j pc -c 1 printer", 0, "^64 bytes from 192.0.2.2: icmp_seq=0 ttl=64 time=", "1 packets? transmitted, 1 packets? received, 0.0% packet loss")
	s.run("vimage jexec pc ifconfig eth0 mtu 1400", 0)
	s.run("vimage ifconfig -j pc eth0", 0, "^eth0: flags=.*UP.* mtu 1400$", "inet 192.0.2.1 netmask 0xffffff00 broadcast 192.0.2.255")
	s.run("vimage netstat -j pc -rn", 0, "^Routing tables$", "^192.0.2.0/24 +link#", "^192.0.2.1 +link#")
	s.run("vimage arp -j pc -an", 0, `^\? \(192.0.2.2\) at ([0-9a-f]{2}:){5}[0-9a-f]{2} on eth0 expires in`)
}

func (s *terminal) mistakes() {
	s.run("vimage pnig", 2, "did you mean ping\\?$")
	s.run("vimage ping -j pc -c 1 scanner", 68, "^ping: .*scanner: ")
	s.run("vimage ping -j cp printer", 1, "cp.*not found")
	s.run("vimage ping -j pc -c nine printer", 64, "^ping: ")
	s.run("vimage link cut pc-prnter", 1, "did you mean pc-printer\\?$")
}

// complete has names completed: of a command, a stack and an interface.
func (s *terminal) complete() {
	s.clear()
	s.keys("-l", "vimage jex")
	s.keys("Tab")
	s.until(`\$ vimage jexec $`)
	s.keys("-l", "pr")
	s.keys("Tab")
	s.until(`\$ vimage jexec printer $`)
	s.keys("-l", "ifconfig et")
	s.keys("Tab")
	s.until(`\$ vimage jexec printer ifconfig eth0 $`)
	s.enter(0, "inet 192.0.2.2 ")
}

// change changes the network while it runs.
func (s *terminal) change() {
	s.run("vimage host add laptop", 0)
	s.run("vimage link add laptop printer subnet=198.51.100.0/24", 0)
	s.run("vimage link set pc-printer loss=100%", 0)
	s.run("vimage ping -j pc -c 2 -i 0.1 -W 100 printer", 2, "2 packets transmitted, 0 packets received, 100.0% packet loss")
	s.run("vimage link set pc-printer loss=none", 0)
	s.run("vimage link", 0, "^pc-printer +pc:eth0 printer:eth0 +192.0.2.0/24 ", "^laptop-printer ")
	s.run("vimage ping -j pc -c 1 printer", 0, "0.0% packet loss")
}

// top opens a screen of its own, and leaves that of the shell as it was.
func (s *terminal) top() {
	s.run("echo before", 0, "^before$")
	s.keys("-l", "vimage top -s 0.2")
	s.until("vimage top -s 0.2$")
	before := s.screen()
	s.keys("Enter")
	s.until("^lab home, every 200ms +h: help  q: end$", "^4 stacks +in pkt/s  IN BIT/S", "^pc +0 +0 +[1-9]", "^pc-printer +pc printer +[1-9]", "^0 groups", "^job +192.0.2.2:5000 +[1-9]")
	s.keys("l")
	s.until("^2 links +between", "^laptop-printer +laptop printer +0")
	if got := s.screen(); strings.Contains(got, "stacks") {
		s.t.Errorf("with the links alone:\n%s", got)
	}
	s.keys("h")
	s.until("^q Ctrl-C +end$")
	s.keys("s")
	s.until("^2 links")
	s.keys("s", "<")
	s.until("^4 STACKS ")
	s.tmux("resize-window", "-t", "shell", "-x", "60", "-y", "12")
	s.until("^lab home, every 200ms {20,30}h: help  q: end$")
	s.tmux("resize-window", "-t", "shell", "-x", "100", "-y", "30")
	s.until("^lab home, every 200ms {60,70}h: help  q: end$")
	s.keys("q")
	s.until(`^\d+:0 \$ $`)
	if after := s.screen(); !strings.HasPrefix(after, before+"\n") {
		s.t.Errorf("the shell's screen was\n%s\nand now is\n%s", before, after)
	}
	s.at = s.prompt()
}

// terminated ends top by a signal: the terminal shows again what is typed.
func (s *terminal) terminated() {
	s.clear()
	s.keys("-l", "bash -c 'echo $$ > pid; exec vimage top'")
	s.keys("Enter")
	s.until("^lab home, every 1s")
	text, err := os.ReadFile(filepath.Join(s.home, "pid"))
	if err != nil {
		s.t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		s.t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	s.done(0)
	s.run("stty -a", 0, `[; ]icanon `, `[; ]echo `, `[; ]onlcr `)
}

// interrupt ends a ping by hand: it says what there was.
func (s *terminal) interrupt() {
	s.clear()
	s.keys("-l", "vimage ping -j pc -i 0.1 printer")
	s.keys("Enter")
	s.until("icmp_seq=2 ")
	s.keys("C-c")
	s.done(0, "^--- printer ping statistics ---$", "0.0% packet loss$", "^round-trip min/avg/max/stddev = ")
}

// terminal is a shell in a terminal that a tmux server of its own shows.
type terminal struct {
	t    *testing.T
	name string
	home string
	env  []string
	at   string // the prompt behind the last command
}

func newTerminal(t *testing.T) *terminal {
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Skip("tmux is not installed")
	}
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("bash is not installed")
	}
	dir, err := os.MkdirTemp("", "t") // the paths of sockets are short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"bin", "home", "run", "tmux"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(exe, filepath.Join(dir, "bin", "vimage")); err != nil {
		t.Fatal(err)
	}
	rc := filepath.Join(dir, "shellrc")
	if err := os.WriteFile(rc, []byte(shellrc), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &terminal{t: t, name: "vimage-test", home: dir + "/home", env: []string{
		"HOME=" + dir + "/home", "XDG_RUNTIME_DIR=" + dir + "/run", "TMUX_TMPDIR=" + dir + "/tmux", "PATH=" + dir + "/bin:" + os.Getenv("PATH"),
		"LC_ALL=C.UTF-8", "TERM=xterm", "GORACE=atexit_sleep_ms=0",
	}}
	t.Cleanup(func() {
		labs, _ := filepath.Glob(filepath.Join(dir, "run", "vimage", "*.sock"))
		for _, l := range labs {
			client.Dial(l).Down(context.Background())
		}
		if out, err := s.command("kill-server").CombinedOutput(); err != nil {
			t.Errorf("tmux kill-server: %v: %s", err, out)
		}
	})
	s.tmux("-f", "/dev/null", "new-session", "-d", "-s", "shell", "-x", "100", "-y", "30", "-c", dir+"/home", bash, "--noprofile", "--rcfile", rc, "-i")
	s.until(`^1:0 \$ $`)
	s.at = s.prompt()
	return s
}

func (s *terminal) command(args ...string) *exec.Cmd {
	c := exec.Command("tmux", append([]string{"-L", s.name}, args...)...)
	c.Env = s.env
	return c
}

// tmux has the server do something, and returns what it says.
func (s *terminal) tmux(args ...string) string {
	s.t.Helper()
	out, err := s.command(args...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("tmux %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// keys presses keys by their names; behind -l is text.
func (s *terminal) keys(keys ...string) {
	s.t.Helper()
	s.tmux(append([]string{"send-keys", "-t", "shell"}, keys...)...)
}

// screen returns the terminal's lines, with those that have left it at the top, and
// those that were too long in one piece. Blanks at their ends count.
func (s *terminal) screen() string {
	s.t.Helper()
	return strings.TrimRight(s.tmux("capture-pane", "-t", "shell", "-p", "-J", "-S", "-"), "\n")
}

// until waits until the screen shows all that is wanted: lines, or parts of such.
func (s *terminal) until(wants ...string) {
	s.t.Helper()
	s.wait(func(screen string) string {
		for _, w := range wants {
			if !regexp.MustCompile("(?m)" + w).MatchString(screen) {
				return w
			}
		}
		return ""
	})
}

// wait waits until a screen lacks nothing.
func (s *terminal) wait(lacks func(screen string) string) {
	s.t.Helper()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	late := time.After(patience)
	for {
		screen := s.screen()
		want := lacks(screen)
		if want == "" {
			return
		}
		select {
		case <-late:
			s.t.Fatalf("no %q on the screen:\n%s", want, screen)
		case <-poll.C:
		}
	}
}

var prompt = regexp.MustCompile(`(?m)^\d+:(\d+) \$ *\z`)

// prompt returns the prompt on which the screen ends, or "".
func (s *terminal) prompt() string {
	s.t.Helper()
	return strings.TrimSpace(prompt.FindString(s.screen()))
}

// clear empties the screen.
func (s *terminal) clear() {
	s.t.Helper()
	s.keys("C-l")
	s.wait(func(string) string {
		if strings.TrimSpace(s.tmux("capture-pane", "-t", "shell", "-p")) != s.at {
			return s.at
		}
		return ""
	})
	s.tmux("clear-history", "-t", "shell")
}

// run types a command and returns what it prints: with that exit status, and all that is
// wanted in it.
func (s *terminal) run(command string, status int, wants ...string) string {
	s.t.Helper()
	s.clear()
	lines := strings.Split(command, "\n")
	for _, line := range lines[:len(lines)-1] {
		s.keys("-l", line)
		s.keys("Enter")
	}
	s.keys("-l", lines[len(lines)-1])
	return s.enter(status, wants...)
}

// enter runs what has been typed.
func (s *terminal) enter(status int, wants ...string) string {
	s.t.Helper()
	s.keys("Enter")
	return s.done(status, wants...)
}

// done waits until the shell has its next prompt.
func (s *terminal) done(status int, wants ...string) string {
	s.t.Helper()
	s.wait(func(screen string) string {
		if p := strings.TrimSpace(prompt.FindString(screen)); p == "" || p == s.at {
			return "prompt after " + s.at
		}
		return ""
	})
	screen := s.screen()
	s.at = s.prompt()
	var typed []string
	for line := range strings.Lines(strings.TrimSuffix(screen, s.at)) {
		typed = append(typed, strings.TrimRight(line, " \n"))
	}
	out := strings.Join(typed[min(1, len(typed)):], "\n")
	out = strings.TrimSpace(strings.TrimSuffix(out, s.at))
	if m := prompt.FindStringSubmatch(screen); m == nil || m[1] != fmt.Sprint(status) {
		s.t.Errorf("exit status %v, want %d:\n%s", m, status, screen)
	}
	for _, w := range wants {
		if !regexp.MustCompile("(?m)" + w).MatchString(strings.Join(typed, "\n")) {
			s.t.Errorf("no %q in\n%s", w, screen)
		}
	}
	return out
}
