//go:build !novimage

package ctl_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed88948545/vimage/client"
	"github.com/seed88948545/vimage/internal/ctl/ctltest"
)

const twoHosts = "hosts: [a, b]\nlinks: [{between: [a, b]}]\n"

// bubble runs a test of a lab in a synctest bubble.
func bubble(t *testing.T, file string, f func(t *testing.T, l *ctltest.Lab, c *client.Client)) {
	synctest.Test(t, func(t *testing.T) {
		l := ctltest.Start(t, file)
		defer l.Close()
		c := l.Client()
		defer c.Close()
		f(t, l, c)
	})
}

// raw sends text as a request of its own and returns the whole answer.
func raw(t *testing.T, l *ctltest.Lab, text string) string {
	t.Helper()
	conn, err := l.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go io.WriteString(conn, text)
	r, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.Status + "\n" + string(body)
}

// request returns a request with a body.
func request(method, path, body string) string {
	return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: lab\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", method, path, len(body), body)
}

func TestBadRequestsSayWhichField(t *testing.T) {
	bubble(t, twoHosts, func(t *testing.T, l *ctltest.Lab, c *client.Client) {
		const eth0 = "/v1/jails/a/interfaces/eth0"
		for _, x := range []struct{ method, path, body, status, want string }{
			{"GET", "/v1/jails/c", "", "404", `"location":"path.jail","value":"c"`},
			{"GET", "/v1/jails/a/interfaces/eth7", "", "404", `"location":"path.if","value":"eth7"`},
			{"GET", "/v1/jails?in=x", "", "404", `"location":"query.in","value":"x"`},
			{"GET", "/v1/jails?param=x", "", "404", `"location":"query.param","value":"x"`},
			{"GET", "/v1/jails?nonsense=1", "", "422", `"location":"query.nonsense"`},
			{"PATCH", eth0, `{"mtu":"x"}`, "422", `"location":"body.mtu","value":"x"`},
			{"PATCH", eth0, `{"mtu":10}`, "422", `"location":"body.mtu","value":10`},
			{"PATCH", eth0, `{"mtu":1000,"nonsense":1}`, "422", `"location":"body.nonsense"`},
			{"PATCH", eth0, `{"fib":3}`, "422", `"errno":"EINVAL","errors":[{"message":`},
			{"PATCH", eth0, `{"fib":3}`, "422", `"location":"body.fib","value":3`},
			{"PATCH", eth0 + "?fib=7", `{"mtu":1000}`, "422", `"location":"query.fib","value":"7"`},
			{"PATCH", eth0, `{"delete":["10.0.0.1","1.2.3.4"]}`, "422", `"errno":"EADDRNOTAVAIL","errors":[{"message":`},
			{"PATCH", eth0, `{"delete":["10.0.0.1","1.2.3.4"]}`, "422", `"location":"body.delete[1]","value":"1.2.3.4"`},
			{"PATCH", eth0, `{"delete":["1.2.3"]}`, "422", `"location":"body.delete[0]","value":"1.2.3"`},
			{"PATCH", eth0, `{"add":[{"prefix":"1.2.3.4"}]}`, "422", `"location":"body.add[0].prefix","value":"1.2.3.4"`},
			{"PATCH", eth0, `{"ether":"x"}`, "422", `"location":"body.ether","value":"x"`},
			{"PATCH", eth0, `{"arp":"maybe"}`, "422", `"location":"body.arp","value":"maybe"`},
			{"PATCH", eth0, `{`, "400", `"location":"body"`},
			{"PATCH", eth0, ``, "400", `request body is required`},
			{"PATCH", eth0, `{"name":"lo0"}`, "409", `"errno":"EEXIST"`},
			{"PATCH", eth0, `{"vnet":"b"}`, "404", `"location":"body.vnet","value":"b"`},
			{"POST", "/v1/jails", `{"parameters":{"name":"a","persist":"1"}}`, "409", `"errno":"EEXIST"`},
			{"POST", "/v1/jails", `{"in":"q","parameters":{}}`, "404", `"location":"body.in","value":"q"`},
			{"POST", "/v1/jails/a/interfaces", `{"name":"vlan3"}`, "422", `"location":"body.name","value":"vlan3"`},
			{"POST", "/v1/jails/a/interfaces", `{"name":"x y"}`, "422", `"location":"body.name","value":"x y"`},
			{"POST", "/v1/jails/a/processes?fib=1", ``, "422", `"location":"query.fib","value":"1"`},
			{"POST", "/v1/lab/down", ``, "403", `this lab ends with the program`},
			{"GET", "/v1/nonsense", "", "404", `404`},
			{"PATCH", eth0, `{"ether":"` + strings.Repeat("x", 2<<20) + `"}`, "413", `too large`},
		} {
			got := raw(t, l, request(x.method, x.path, x.body))
			if !strings.HasPrefix(got, x.status) || !strings.Contains(got, x.want) {
				t.Errorf("%s %s %.80s:\n%s\nwant %s and %s", x.method, x.path, x.body, got, x.status, x.want)
			}
		}
		i, err := c.Interface(t.Context(), "a", "eth0")
		if err != nil || i.MTU != 1500 || len(i.Addresses) != 1 {
			t.Errorf("after nothing but mistakes: %+v, %v", i, err)
		}
		if l, err := c.Lab(t.Context()); err != nil || l.Revision != 0 {
			t.Errorf("they count as changes: %+v, %v", l, err)
		}
	})
}

func TestErrnoTravels(t *testing.T) {
	bubble(t, twoHosts, func(t *testing.T, l *ctltest.Lab, c *client.Client) {
		_, err := c.CreateJail(t.Context(), client.NewJail{Parameters: map[string]string{"name": "a"}})
		var said *client.Error
		if !errors.Is(err, syscall.EEXIST) || errors.Is(err, syscall.EINVAL) || !errors.As(err, &said) || said.Strerror() != "File exists" || client.ErrnoName(err) != "EEXIST" {
			t.Errorf("%#v", err)
		}
	})
}

// TestOpenAPI holds the description of the API to what it promises: all is described,
// and nothing is loaded from elsewhere.
func TestOpenAPI(t *testing.T) {
	bubble(t, twoHosts, func(t *testing.T, l *ctltest.Lab, c *client.Client) {
		var doc struct {
			OpenAPI string
			Paths   map[string]map[string]struct {
				OperationID, Summary string
				Responses            map[string]any
			}
		}
		if err := c.Do(t.Context(), "GET", "/openapi.json", nil, nil, &doc); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(doc.OpenAPI, "3.1") || len(doc.Paths) < 10 {
			t.Errorf("version %s, %d paths", doc.OpenAPI, len(doc.Paths))
		}
		ids := map[string]bool{}
		for path, ops := range doc.Paths {
			for method, o := range ops {
				if o.Summary == "" || o.OperationID == "" || ids[o.OperationID] || len(o.Responses) < 1 {
					t.Errorf("%s %s: %+v", method, path, o)
				}
				ids[o.OperationID] = true
			}
		}
		if got := raw(t, l, request("GET", "/openapi.json", "")); !strings.Contains(got, `"errno":{`) {
			t.Errorf("errors are described without errno")
		}
		if got := raw(t, l, request("GET", "/docs", "")); !strings.HasPrefix(got, "404") {
			t.Errorf("there is a page: %s", got)
		}
	})
}

// TestProcess has a jail that does not persist live as long as somebody is in it, be he
// cut off.
func TestProcess(t *testing.T) {
	bubble(t, twoHosts, func(t *testing.T, l *ctltest.Lab, c *client.Client) {
		if _, err := c.CreateJail(t.Context(), client.NewJail{Parameters: map[string]string{"name": "once", "vnet": "new", "exec.fib": "0"}}); err != nil {
			t.Fatal(err)
		}
		one, err := c.Attach(t.Context(), "once", client.ProcessConfig{Start: true})
		if err != nil || one.Jail != "once" || one.FIB != 0 {
			t.Fatalf("%+v, %v", one, err)
		}
		ctx, cut := context.WithCancel(t.Context())
		if _, err := c.Attach(ctx, "once", client.ProcessConfig{}); err != nil {
			t.Fatal(err)
		}
		one.Release()
		synctest.Wait()
		<-time.After(time.Hour) // with nothing to say, and nothing read
		if _, err := c.Jail(t.Context(), "once"); err != nil {
			t.Errorf("it went while somebody was in it: %v", err)
		}
		cut()
		synctest.Wait()
		if _, err := c.Jail(t.Context(), "once"); !errors.Is(err, syscall.ENOENT) {
			t.Errorf("it stayed when nobody was: %v", err)
		}
	})
}

// TestServerEndsStreams closes a server while somebody is in a jail.
func TestServerEndsStreams(t *testing.T) {
	bubble(t, twoHosts, func(t *testing.T, l *ctltest.Lab, c *client.Client) {
		s, err := c.Stream(t.Context(), "POST", "/v1/jails/a/processes", nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		var p client.Process
		if err := s.Read("process", &p); err != nil {
			t.Fatal(err)
		}
		l.Close()
		if _, _, err := s.Next(); err == nil {
			t.Error("the stream goes on")
		}
	})
}

// TestHalfRequest cuts a client off at every byte of a request: nothing is changed
// before it is whole, and all of it once it is.
func TestHalfRequest(t *testing.T) {
	bubble(t, twoHosts, func(t *testing.T, l *ctltest.Lab, c *client.Client) {
		text := request("PATCH", "/v1/jails/a/interfaces/eth0", `{"mtu":1400,"add":[{"prefix":"192.0.2.1/24"}],"promiscuous":true}`)
		for n := 0; n <= len(text); n += 7 {
			n = min(n, len(text))
			conn, err := l.Dial(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(conn, text[:n])
			conn.Close()
			synctest.Wait()
			i, err := c.Interface(t.Context(), "a", "eth0")
			if err != nil {
				t.Fatal(err)
			}
			if got := i.MTU == 1400; got != i.Has("PROMISC") || got != (len(i.Addresses) == 2) || got && n < len(text) {
				t.Fatalf("after %d of %d bytes: %+v", n, len(text), i)
			}
			if n == len(text) && i.MTU != 1400 {
				t.Error("a whole request was not done for want of a client")
			}
		}
	})
}

// TestSlowBody has a client take too long to say what he wants.
func TestSlowBody(t *testing.T) {
	bubble(t, twoHosts, func(t *testing.T, l *ctltest.Lab, c *client.Client) {
		conn, err := l.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		text := request("PATCH", "/v1/jails/a/interfaces/eth0", `{"mtu":1400}`)
		io.WriteString(conn, text[:len(text)-3])
		began := time.Now()
		r, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || r.StatusCode != http.StatusRequestTimeout || time.Since(began) > time.Minute {
			t.Errorf("after %v: %v, %v", time.Since(began), r, err)
		}
	})
}

// TestTwoClients has clients change the same lab at the same time. Each change is
// counted once, and in the end nothing is left of what each has undone itself.
func TestTwoClients(t *testing.T) {
	l := ctltest.Start(t, twoHosts)
	const clients, rounds = 4, 30
	var all sync.WaitGroup
	var done [clients]uint64
	for n := range clients {
		all.Go(func() {
			c := l.Client()
			defer c.Close()
			done[n] = live(t, c, n, rounds)
		})
	}
	all.Wait()
	c := l.Client()
	defer c.Close()
	var sum uint64
	for _, d := range done {
		sum += d
	}
	lab, err := c.Lab(t.Context())
	if err != nil || lab.Revision != sum {
		t.Errorf("%d changes were made, and %d counted: %v", sum, lab.Revision, err)
	}
	names, err := c.InterfaceNames(t.Context(), "")
	if err != nil || !slices.Equal(names, []string{"lo0"}) {
		t.Errorf("jail 0 has %v, %v", names, err)
	}
	jails, err := c.Jails(t.Context(), nil)
	if err != nil || len(jails) != 2 {
		t.Errorf("%d jails are left, %v", len(jails), err)
	}
}

// live makes, changes and removes pairs and jails, reads what others do, and returns
// how many changes it has made.
func live(t *testing.T, c *client.Client, who, rounds int) (changes uint64) {
	ctx := t.Context()
	rnd := rand.New(rand.NewPCG(1, uint64(who)))
	count := func(err error) {
		if err != nil {
			t.Errorf("client %d: %v", who, err)
			return
		}
		changes++
	}
	var last uint64
	for n := range rounds {
		jail := fmt.Sprintf("j%d", who)
		_, err := c.CreateJail(ctx, client.NewJail{Parameters: map[string]string{"name": jail, "vnet": "new", "persist": "1"}})
		count(err)
		i, err := c.CreateInterface(ctx, "", "", client.NewInterface{Name: "epair"})
		count(err)
		mtu, name := 1000+rnd.IntN(400), fmt.Sprintf("x%d.%d", who, n)
		count(c.ChangeInterface(ctx, "", i.Name, "", client.InterfaceChange{MTU: &mtu, Name: &name, VNET: &jail}))
		if c.Revision() <= last {
			t.Errorf("revision %d after %d", c.Revision(), last)
		}
		last = c.Revision()
		if got, err := c.Interface(ctx, jail, name); err != nil || got.MTU != mtu {
			t.Errorf("%+v, %v", got, err)
		}
		if _, err := c.Interfaces(ctx, ""); err != nil {
			t.Error(err)
		}
		if _, err := c.Jails(ctx, &client.JailQuery{Params: []string{"all"}}); err != nil {
			t.Error(err)
		}
		// eth0 of a is everybody's; what nobody may do changes nothing.
		free := 100
		if err := c.ChangeInterface(ctx, "a", "eth0", "", client.InterfaceChange{MTU: &mtu, FIB: &free}); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("a table that is not there: %v", err)
		}
		count(c.ChangeInterface(ctx, "a", "eth0", "", client.InterfaceChange{Promiscuous: new(n%2 == 0)}))
		count(c.DestroyInterface(ctx, jail, name))
		count(c.RemoveJail(ctx, jail))
	}
	return changes
}

// TestDeadClients cuts clients off at random moments of their requests, in real time:
// each change was made or was not.
func TestDeadClients(t *testing.T) {
	l := ctltest.Start(t, twoHosts)
	rnd := rand.New(rand.NewPCG(1, 2))
	var all sync.WaitGroup
	for range 100 {
		ctx, cut := context.WithTimeout(t.Context(), time.Duration(rnd.IntN(2000))*time.Microsecond)
		all.Go(func() {
			defer cut()
			c := l.Client()
			defer c.Close()
			c.CreateInterface(ctx, "", "", client.NewInterface{Name: "epair"})
			if p, err := c.Attach(ctx, "a", client.ProcessConfig{}); err == nil {
				p.Release()
			}
		})
	}
	all.Wait()
	c := l.Client()
	defer c.Close()
	names, err := c.InterfaceNames(t.Context(), "") // some may be made even now
	if pairs := uint64(len(names)-1) / 2; err != nil || len(names)%2 != 1 || pairs != c.Revision() {
		t.Errorf("%d interfaces after %d changes: %v", len(names), c.Revision(), err)
	}
}

// TestCurl is what a shell has: one line of HTTP.
func TestCurl(t *testing.T) {
	bubble(t, twoHosts, func(t *testing.T, l *ctltest.Lab, c *client.Client) {
		got := raw(t, l, "GET /v1/jails/b/interfaces/eth0 HTTP/1.0\r\n\r\n")
		_, body, _ := strings.Cut(got, "\n")
		var i client.Interface
		if err := json.Unmarshal([]byte(body), &i); err != nil || i.Name != "eth0" || i.Kind != "ether" {
			t.Errorf("%s: %v", got, err)
		}
		var v url.Values
		if err := c.Do(t.Context(), "GET", "/v1/lab", v, nil, nil); err != nil {
			t.Error(err)
		}
	})
}

// TestSlowStream has somebody in a jail not take what he is told: he is cut off.
func TestSlowStream(t *testing.T) {
	bubble(t, twoHosts, func(t *testing.T, l *ctltest.Lab, c *client.Client) {
		conn, err := l.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		go io.WriteString(conn, request("POST", "/v1/jail-processes", `{"parameters":{"name":"once","vnet":"new"}}`))
		synctest.Wait()
		if _, err := c.Jail(t.Context(), "once"); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		if _, err := c.Jail(t.Context(), "once"); !errors.Is(err, syscall.ENOENT) {
			t.Errorf("who does not listen is still there: %v", err)
		}
	})
}

// TestManyStreams opens more streams than there may be.
func TestManyStreams(t *testing.T) {
	bubble(t, twoHosts, func(t *testing.T, l *ctltest.Lab, c *client.Client) {
		ctx, cut := context.WithCancel(t.Context())
		defer cut()
		for n := range 1024 {
			if _, err := c.Attach(ctx, "a", client.ProcessConfig{}); err != nil {
				t.Fatalf("stream %d: %v", n, err)
			}
		}
		if _, err := c.Attach(ctx, "a", client.ProcessConfig{}); !errors.Is(err, syscall.EBUSY) {
			t.Errorf("one more: %v", err)
		}
		cut()
		synctest.Wait()
		p, err := c.Attach(t.Context(), "a", client.ProcessConfig{})
		if err != nil {
			t.Fatal(err)
		}
		p.Release()
	})
}
