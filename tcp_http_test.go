package vimage_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	mathrand "math/rand"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed88948545/vimage/lab"
)

// certificate makes a certificate for an address, and who trusts it.
func certificate(t testing.TB, a netip.Addr) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{a.AsSlice()}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der := must(x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key))(t)
	pool := x509.NewCertPool()
	pool.AddCert(must(x509.ParseCertificate(der))(t))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// TestTCPHTTPS speaks HTTP/1.1 and HTTP/2 over TLS: bodies of a megabyte there
// and back, many at once.
func TestTCPHTTPS(t *testing.T) {
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(proto, func(t *testing.T) { inBubble(t, func(t *testing.T) { testHTTPS(t, proto) }) })
	}
}

func testHTTPS(t *testing.T, proto string) {
	a, b := tcpHosts(t)
	cert, roots := certificate(t, b.Addr())
	h2 := proto == "HTTP/2.0"
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!h2)
	protocols.SetHTTP2(h2)
	srv := &http.Server{
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}, Protocols: protocols,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Proto", r.Proto)
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			w.Write(body)
		}),
	}
	l := must(b.Listen("tcp", ":443"))(t)
	go srv.ServeTLS(l, "", "")
	tr := &http.Transport{DialContext: a.DialContext, TLSClientConfig: &tls.Config{RootCAs: roots}, Protocols: protocols, MaxIdleConnsPerHost: 100}
	cl := &http.Client{Transport: tr}
	size := int64(fewer(1<<20, 128<<10))
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			want := sha256.New()
			body := io.TeeReader(io.LimitReader(mathrand.New(mathrand.NewSource(int64(i))), size), want)
			r, err := cl.Post("https://"+b.Addr().String()+"/", "text/plain", body)
			if err != nil {
				t.Error(err)
				return
			}
			defer r.Body.Close()
			got := sha256.New()
			n, err := io.Copy(got, r.Body)
			if err != nil || n != size || r.Header.Get("Proto") != proto || string(got.Sum(nil)) != string(want.Sum(nil)) {
				t.Errorf("%d bytes of %d by %q: %v", n, size, r.Header.Get("Proto"), err)
			}
		})
	}
	wg.Wait()
	tr.CloseIdleConnections()
	srv.Close()
}

// ours counts the goroutines that this module has started, tests apart.
func ours() int {
	buf := make([]byte, 16<<20)
	n := 0
	for g := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		_, by, ok := strings.Cut(g, "created by github.com/seed88948545/vimage")
		if ok && !strings.HasPrefix(by, "_test") {
			n++
		}
	}
	return n
}

// TestTCPHTTPIdle keeps 1,000 connections of an http.Transport idle: they cost no
// goroutine of ours and one timer each end.
func TestTCPHTTPIdle(t *testing.T) {
	conns := fewer(1000, 200)
	n := lab.New(t)
	a, b := n.Host("a"), n.Host("b")
	n.Link(a, b)
	var all sync.WaitGroup
	all.Add(conns)
	srv := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { all.Done(); all.Wait() })}
	l := must(b.Listen("tcp", ":80"))(t)
	go srv.Serve(l)
	tr := &http.Transport{DialContext: a.DialContext, MaxIdleConnsPerHost: conns}
	before := ours()
	var wg sync.WaitGroup
	for range conns {
		wg.Go(func() {
			r, err := (&http.Client{Transport: tr}).Get(fmt.Sprintf("http://%v/", b.Addr()))
			if err != nil {
				t.Error(err)
				return
			}
			io.Copy(io.Discard, r.Body)
			r.Body.Close()
		})
	}
	wg.Wait()
	n.World.Settle()
	open := 0
	for e := range a.Internal().TCPEntries() {
		if e.State.String() == "ESTABLISHED" {
			open++
		}
	}
	if open != conns {
		t.Errorf("%d connections are open, want %d", open, conns)
	}
	if now := ours(); now > before+2 {
		t.Errorf("%d goroutines of ours before, %d with %d connections", before, now, conns)
	}
	if armed := n.World.Internal().Clock().Armed(); armed > 2*conns+10 {
		t.Errorf("%d timers for %d ends", armed, 2*conns)
	}
	tr.CloseIdleConnections()
	srv.Close()
}
