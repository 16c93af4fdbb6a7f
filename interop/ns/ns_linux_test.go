package ns

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestRunIsElsewhere makes what would be seen if it were not.
func TestRunIsElsewhere(t *testing.T) {
	Run(t, func(t *testing.T) {
		if ifs, err := net.Interfaces(); err != nil || len(ifs) != 1 || ifs[0].Flags&net.FlagUp == 0 {
			t.Fatalf("the namespace begins with %v, %v", ifs, err)
		}
		IP(t, "link", "add", "br7", "type", "bridge")
		if _, err := net.InterfaceByName("br7"); err != nil {
			t.Error(err)
		}
	})
	if _, err := net.InterfaceByName("br7"); err == nil && os.Getenv(inside) == "" {
		t.Error("the bridge is outside the namespace")
	}
}

// TestHosts sends between two namespaces over a veth pair, from a socket that is
// used outside of the function that made it.
func TestHosts(t *testing.T) {
	Run(t, func(t *testing.T) {
		n := New(t)
		n.Attach(t, "veth0", "eth0")
		IP(t, "address", "add", "10.1.0.1/24", "dev", "veth0")
		IP(t, "link", "set", "veth0", "up")
		n.IP(t, "address", "add", "10.1.0.2/24", "dev", "eth0")
		n.IP(t, "link", "set", "eth0", "up")
		if _, err := net.InterfaceByName("eth0"); err == nil {
			t.Error("the other host's interface is here too")
		}
		l, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(10, 1, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		var c net.Conn
		if err := n.Do(func() (err error) { c, err = net.Dial("udp4", l.LocalAddr().String()); return err }); err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		l.SetReadDeadline(time.Now().Add(5 * time.Second))
		b := make([]byte, 16)
		k, from, err := l.ReadFromUDPAddrPort(b)
		if err != nil || string(b[:k]) != "hello" || from.Addr().String() != "10.1.0.2" {
			t.Errorf("%q from %v, %v", b[:k], from, err)
		}
	})
}

// planted is set for the tests below that TestRunReportsResults runs to see
// them fail.
const planted = "VIMAGE_NS_PLANTED"

func TestPlantedFailure(t *testing.T) {
	if os.Getenv(planted) == "" {
		t.Skip("run by TestRunReportsResults")
	}
	t.Run("a b", func(t *testing.T) { Run(t, func(t *testing.T) { t.Error("wrong") }) })
	t.Run("panic", func(t *testing.T) { Run(t, func(t *testing.T) { panic("planted") }) })
	t.Run("exit", func(t *testing.T) { Run(t, func(t *testing.T) { os.Exit(0) }) })
	t.Run("skip", func(t *testing.T) { Run(t, func(t *testing.T) { Missing(t, "no privilege for this") }) })
	t.Run("pass", func(t *testing.T) { Run(t, func(t *testing.T) { t.Log("fine") }) })
}

func TestRunReportsResults(t *testing.T) {
	Run(t, func(t *testing.T) {
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestPlantedFailure$", "-test.v")
		cmd.Env = append(os.Environ(), planted+"=1", "CI=false", inside+"=")
		out, err := cmd.CombinedOutput()
		if err == nil {
			t.Error("the binary passes")
		}
		for _, want := range []string{
			"\n    --- FAIL: TestPlantedFailure/a_b (",
			"\n    --- FAIL: TestPlantedFailure/panic (", "| panic: planted",
			"\n    --- FAIL: TestPlantedFailure/exit (",
			"\n    --- SKIP: TestPlantedFailure/skip (", "no privilege for this\n",
			"\n    --- PASS: TestPlantedFailure/pass (", ": fine\n",
		} {
			if !strings.Contains(string(out), want) {
				t.Errorf("no %q in\n%s", want, out)
			}
		}
	})
}
