package interop

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed88948545/vimage/interop/ns"
)

// tcpScript is what two hosts say to each other. Each conversation must end as
// it should whatever the link loses.
func tcpScript(t *testing.T, r *tcpRig) {
	t.Run("bulk to Linux", func(t *testing.T) { bulkTCP(t, r.a, r.b, 1<<20) })
	t.Run("bulk from Linux", func(t *testing.T) { bulkTCP(t, r.b, r.a, 1<<20) })
	t.Run("iperf3", func(t *testing.T) { iperfBothWays(t, r) })
	t.Run("curl", func(t *testing.T) { curlHTTP(t, r) })
	t.Run("nginx", func(t *testing.T) { nginxHTTP(t, r) })
	t.Run("half-close by Linux", func(t *testing.T) { halfClose(t, r.b, r.a) })
	t.Run("half-close to Linux", func(t *testing.T) { halfClose(t, r.a, r.b) })
	t.Run("reset by Linux", func(t *testing.T) { resetTCP(t, r.b, r.a) })
	t.Run("reset to Linux", func(t *testing.T) { resetTCP(t, r.a, r.b) })
	t.Run("Linux stops reading", func(t *testing.T) { stopReading(t, r.b, r.a, time.Second) })
	t.Run("Linux does not read", func(t *testing.T) { stopReading(t, r.a, r.b, time.Second) })
	t.Run("refused by Linux", func(t *testing.T) { refusedTCP(t, r.a, r.b) })
	t.Run("refused to Linux", func(t *testing.T) { refusedTCP(t, r.b, r.a) })
}

// bulkTCP sends n bytes one way, and the end.
func bulkTCP(t *testing.T, from, to tcpEnd, n int64) {
	t.Helper()
	c, s := connectTCP(t, from, to)
	sendAll(t, c, s, n)
	wantEnd(t, c, s)
}

// sendAll sends n random bytes and half-closes. What comes must be the same.
func sendAll(t *testing.T, from, to net.Conn, n int64) {
	t.Helper()
	type sum struct {
		n    int64
		hash [sha256.Size]byte
		err  error
	}
	sent := make(chan sum, 1)
	go func() {
		h := sha256.New()
		var x sum
		x.n, x.err = io.Copy(from, io.TeeReader(io.LimitReader(rand.NewChaCha8([32]byte{1}), n), h))
		x.err = errors.Join(x.err, closeWrite(from))
		h.Sum(x.hash[:0])
		sent <- x
	}()
	h := sha256.New()
	got, err := io.Copy(h, to)
	x := <-sent
	if x.err != nil || err != nil || x.n != n || got != n || !bytes.Equal(h.Sum(nil), x.hash[:]) {
		t.Fatalf("%d of %d bytes sent (%v), %d came (%v), or others", x.n, n, x.err, got, err)
	}
}

func closeWrite(c net.Conn) error {
	h, ok := c.(interface{ CloseWrite() error })
	if !ok {
		return fmt.Errorf("%T has no CloseWrite", c)
	}
	return h.CloseWrite()
}

// wantEnd closes s, whose other end c has half-closed, and checks that c sees it.
func wantEnd(t *testing.T, c, s net.Conn) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("after the other end has closed too, a read gives %d, %v", n, err)
	}
}

// halfClose has one end close its half at once: the other learns of it, and can
// still send all it has.
func halfClose(t *testing.T, closer, other tcpEnd) {
	c, s := connectTCP(t, closer, other)
	if _, err := c.Write([]byte("what have you got?")); err != nil {
		t.Fatal(err)
	}
	if err := closeWrite(c); err != nil {
		t.Fatal(err)
	}
	question, err := io.ReadAll(s)
	if err != nil || string(question) != "what have you got?" {
		t.Fatalf("before the half-close came %q, %v", question, err)
	}
	if _, err := c.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("a write after CloseWrite gives %v, want EPIPE", err)
	}
	sendAll(t, s, c, 256<<10)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// resetTCP has one end give up the connection in the middle (SO_LINGER 0). The
// other hears of it at the latest from the answer to what it sends.
func resetTCP(t *testing.T, by, other tcpEnd) {
	c, s := connectTCP(t, by, other)
	if _, err := s.Write([]byte("unread")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	l, ok := c.(interface{ SetLinger(sec int) error })
	if !ok {
		t.Fatalf("%T has no SetLinger", c)
	}
	if err := l.SetLinger(0); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	ns.Poll(t, tcpPatience, func() (bool, string) {
		_, err := s.Write([]byte("?"))
		if err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Fatalf("a write on a connection that was reset gives %v, want ECONNRESET", err)
		}
		return err != nil, "the other end has not heard of the reset"
	})
}

// stopReading has one end not read for a while, until the other cannot write any
// more, and then read on.
func stopReading(t *testing.T, reader, writer tcpEnd, pause time.Duration) {
	r, w := connectTCP(t, reader, writer)
	for _, c := range [...]net.Conn{r, w} {
		c.SetDeadline(time.Now().Add(pause + tcpPatience))
		if b, ok := c.(interface {
			SetReadBuffer(int) error
			SetWriteBuffer(int) error
		}); !ok || b.SetReadBuffer(64<<10) != nil || b.SetWriteBuffer(64<<10) != nil {
			t.Fatalf("%T: its buffers cannot be set", c)
		}
	}
	h := sha256.New()
	src := rand.NewChaCha8([32]byte{2})
	b := make([]byte, 32<<10)
	var sent int64
	for {
		src.Read(b)
		w.SetWriteDeadline(time.Now().Add(pause))
		n, err := w.Write(b)
		h.Write(b[:n])
		sent += int64(n)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil || sent > 16<<20 {
			t.Fatalf("after %d bytes, none of which was read: %v", sent, err)
		}
	}
	got := sha256.New()
	read := make(chan error, 1)
	go func() {
		n, err := io.Copy(got, r)
		if err == nil && n != sent {
			err = fmt.Errorf("%d of %d bytes came", n, sent)
		}
		read <- err
	}()
	w.SetWriteDeadline(time.Now().Add(tcpPatience))
	if n, err := w.Write(b); err != nil {
		t.Errorf("when the other end reads again, %d bytes can be written: %v", n, err)
	}
	h.Write(b)
	sent += int64(len(b))
	if err := closeWrite(w); err != nil {
		t.Error(err)
	}
	if err := <-read; err != nil || !bytes.Equal(got.Sum(nil), h.Sum(nil)) {
		t.Errorf("what came is not what was sent: %v", err)
	}
}

// refusedTCP dials a port that nobody listens on.
func refusedTCP(t *testing.T, from, to tcpEnd) {
	if c, err := from.Dial(netip.AddrPortFrom(to.At(), 9)); !errors.Is(err, syscall.ECONNREFUSED) {
		if err == nil {
			c.Close()
		}
		t.Errorf("dialling a closed port gives %v, want ECONNREFUSED", err)
	}
}

// httpBody is what HTTP servers here have to give.
func httpBody() []byte {
	b := make([]byte, 256<<10)
	rand.NewChaCha8([32]byte{3}).Read(b)
	return b
}

// curlHTTP has curl on Linux fetch from, and send to, net/http at the other end.
func curlHTTP(t *testing.T, r *tcpRig) {
	need(t, "curl")
	l, at := listenTCP(t, r.a, 0)
	body := httpBody()
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Method == http.MethodPut {
			got, err := io.ReadAll(q.Body)
			fmt.Fprint(w, err == nil && bytes.Equal(got, body))
			return
		}
		w.Write(body)
	})}
	go server.Serve(l)
	defer server.Close()
	file := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(file, body, 0o600); err != nil {
		t.Fatal(err)
	}
	url := "http://" + at.String() + "/"
	if got := r.b.program(t, "curl", "-sS", "--max-time", "30", url, "--next", "-sS", url); !bytes.Equal(got, append(body, body...)) {
		t.Errorf("curl fetched %d bytes in two requests, or others", len(got))
	}
	if got := r.b.program(t, "curl", "-sS", "--max-time", "30", "-T", file, url); string(got) != "true" {
		t.Errorf("what curl sent came as something else: %q", got)
	}
}

// nginxHTTP has net/http fetch from nginx on Linux, over one connection that is
// kept and over new ones.
func nginxHTTP(t *testing.T, r *tcpRig) {
	need(t, "nginx")
	const port = 8080
	dir := t.TempDir()
	conf := fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log stderr warn;
		events {}
		http { access_log off; client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f;
		uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
		server { listen %[2]s; root %[1]s; } }`, dir, netip.AddrPortFrom(r.b.Addr, port))
	body := httpBody()
	for name, content := range map[string][]byte{"conf": []byte(conf), "body": body} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("nginx", "-c", filepath.Join(dir, "conf"), "-p", dir, "-e", "stderr")
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := r.b.Do(cmd.Start); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("nginx: %v\n%s", err, &said)
		}
	}()
	at := netip.AddrPortFrom(r.b.Addr, port)
	ns.Poll(t, patience, func() (bool, string) {
		list := string(r.b.program(t, "ss", "-Htln"))
		return strings.Contains(list, at.String()), "nginx does not listen:\n" + list
	})
	for _, once := range [...]bool{false, true} {
		tr := &http.Transport{DialContext: dialer(r.a, at), DisableKeepAlives: once}
		client := &http.Client{Transport: tr, Timeout: tcpPatience}
		for range 2 {
			if err := fetch(client, "http://"+at.String()+"/body", body); err != nil {
				t.Errorf("keep-alive %v: %v", !once, err)
			}
		}
		tr.CloseIdleConnections()
	}
}

func fetch(c *http.Client, url string, want []byte) error {
	answer, err := c.Get(url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK || !bytes.Equal(got, want) {
		return fmt.Errorf("%s, %d bytes of %d, or others: %w", answer.Status, len(got), len(want), err)
	}
	return nil
}

// program runs a program inside k and returns what it prints.
func (k *kernel) program(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	var out, said bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := k.Do(cmd.Run); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, &out, &said)
	}
	return out.Bytes()
}

// need skips the test, as ns.Missing does, where a program is not installed.
func need(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		ns.Missing(t, program+" is not installed")
	}
}
