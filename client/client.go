package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/seed88948545/vimage/internal/ctl/rundir"
)

// RevisionHeader says in the answer to a change how many changes there have been.
const RevisionHeader = "Vimage-Revision"

// Client is a connection to the daemon of a lab.
type Client struct {
	http     *http.Client
	name     string
	revision atomic.Uint64
}

// LabInfo is a lab that has been started and has not ended by itself.
type LabInfo = rundir.Lab

// Labs returns the user's labs, by name. One whose daemon has died is listed with
// Running false, until vimage ls has shown it, or one of that name is started or ended.
func Labs() ([]LabInfo, error) { return rundir.Default().Labs() }

// Open returns a client of the user's lab of that name; "" means that which the
// environment variable VIMAGE_LAB names, else the only one that runs.
func Open(name string) (*Client, error) {
	if name == "" {
		name = os.Getenv("VIMAGE_LAB")
	}
	labs, err := Labs()
	if err != nil {
		return nil, err
	}
	var running []string
	for _, l := range labs {
		switch {
		case l.Running && (name == "" || l.Name == name):
			running = append(running, l.Name)
		case l.Name == name:
			return nil, fmt.Errorf("lab %s has crashed; its last words are in %s", name, rundir.Default().Log(name))
		}
	}
	switch {
	case len(running) == 1:
		c := Dial(rundir.Default().Socket(running[0]))
		c.name = running[0]
		return c, nil
	case name != "":
		return nil, fmt.Errorf("no lab %s is running: see vimage ls", name)
	case len(running) == 0:
		return nil, errors.New("no lab is running: start one with vimage up FILE -d")
	}
	return nil, fmt.Errorf("several labs are running: name one with --lab or VIMAGE_LAB: %s", strings.Join(running, " "))
}

// Dial returns a client of the daemon that listens at a unix socket. It connects when
// it is first used.
func Dial(socket string) *Client {
	return New(func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	})
}

// New returns a client that reaches the daemon in a way of its own.
func New(dial func(context.Context) (net.Conn, error)) *Client {
	return &Client{http: &http.Client{Transport: &http.Transport{
		DialContext:        func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
		DisableCompression: true,
	}}}
}

// Name returns the lab's name, "" after Dial and New.
func (c *Client) Name() string { return c.name }

// Close ends connections that are not in use.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Revision returns how many changes the lab had seen after this client's last one.
func (c *Client) Revision() uint64 { return c.revision.Load() }

// Do asks for a path of the API and decodes the answer into out. query, in and out
// may be nil. It is for what has no method of its own.
func (c *Client) Do(ctx context.Context, method, path string, query url.Values, in, out any) error {
	r, err := c.send(ctx, method, path, query, in)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	if n, err := strconv.ParseUint(r.Header.Get(RevisionHeader), 10, 64); err == nil {
		c.revision.Store(n)
	}
	if out == nil {
		_, err = io.Copy(io.Discard, r.Body)
		return err
	}
	return json.NewDecoder(r.Body).Decode(out)
}

// send sends a request and returns the answer, unless it says that there is an error.
func (c *Client) send(ctx context.Context, method, path string, query url.Values, in any) (*http.Response, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	u := "http://lab" + path
	if len(query) > 0 {
		u += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, u, body)
	if err != nil {
		return nil, err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	r, err := c.http.Do(req)
	var failed *url.Error
	switch {
	case errors.As(err, &failed): // says "http://lab", which nobody has asked for
		return nil, failed.Err
	case err != nil:
		return nil, err
	case r.StatusCode >= 400:
		defer r.Body.Close()
		return nil, readError(r)
	}
	return r, nil
}

// jailPath returns a path below a jail's: "" is jail 0.
func jailPath(jail string, rest ...string) string {
	if jail == "" {
		jail = "0"
	}
	p := "/v1/jails/" + url.PathEscape(jail)
	for _, r := range rest {
		p += "/" + url.PathEscape(r)
	}
	return p
}

// values makes a query of pairs of name and value, without those that are empty.
func values(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			v.Add(pairs[i], pairs[i+1])
		}
	}
	return v
}
