package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// CaptureHeader names, in the answer that is a capture, the capture.
const CaptureHeader = "Vimage-Capture"

// CaptureRequest says what to capture, and how.
type CaptureRequest struct {
	At      []string // links by name; interfaces as JAIL:IF or, in the jail In, by name; see CapturePoints
	In      string   // name or number of a jail: what is named is in it; "": all can be named
	Filter  string   // in tcpdump's language; "" chooses every packet
	SnapLen int      // bytes to keep of each packet; 0: all
	Buffer  int      // KiB that may wait for the client; 0: 8 MiB
	Count   int      // ends the capture after so many packets; 0 does not
}

// CapturePoints is what can be captured.
type CapturePoints struct {
	Links      []string `json:"links"`
	Interfaces []string `json:"interfaces" doc:"As JAIL:IF, and by name those of the jail that was asked for"`
}

// CapturePoints returns the links and interfaces whose names begin with a text: in is
// CaptureRequest's.
func (c *Client) CapturePoints(ctx context.Context, in, begins string) (p CapturePoints, err error) {
	return p, c.Do(ctx, http.MethodGet, "/v1/capture/points", values("in", in, "begins", begins), nil, &p)
}

// Capture is a stream of pcapng that grows. One goroutine reads it.
type Capture struct {
	answer *http.Response
	cut    context.CancelFunc
	stop   func() bool
}

// statisticsWait is how long the end of a capture may take that was asked for.
const statisticsWait = 2 * time.Second

// Capture begins a capture of links and interfaces. When ctx ends, so does it, in good
// order: Read returns what was captured until then, and the statistics, before io.EOF.
// A mistake in the filter is an error with a place: see FindFilterMistake.
func (c *Client) Capture(ctx context.Context, r *CaptureRequest) (*Capture, error) {
	query := url.Values{"at": r.At}
	for name, v := range map[string]string{"in": r.In, "filter": r.Filter, "snaplen": positive(r.SnapLen), "buffer": positive(r.Buffer), "count": positive(r.Count)} {
		if v != "" {
			query.Set(name, v)
		}
	}
	own, cut := context.WithCancel(context.WithoutCancel(ctx))
	early := context.AfterFunc(ctx, cut)
	answer, err := c.send(own, http.MethodGet, "/v1/capture", query, nil)
	if err != nil {
		cut()
		return nil, err
	}
	early()
	x := &Capture{answer: answer, cut: cut}
	path := "/v1/capture/" + url.PathEscape(answer.Header.Get(CaptureHeader))
	x.stop = context.AfterFunc(ctx, func() {
		late, release := context.WithTimeout(own, statisticsWait)
		context.AfterFunc(late, func() { release(); cut() })
		if c.Do(own, http.MethodDelete, path, nil, nil, nil) != nil {
			cut()
		}
	})
	return x, nil
}

func positive(n int) string {
	if n <= 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// Read implements io.Reader.
func (x *Capture) Read(b []byte) (int, error) { return x.answer.Body.Read(b) }

// Close ends the capture at once.
func (x *Capture) Close() error {
	x.stop()
	x.cut()
	return x.answer.Body.Close()
}

var _ io.ReadCloser = (*Capture)(nil)

// FilterMistake is where a filter is wrong.
type FilterMistake struct {
	Position int    `json:"position" doc:"Bytes before the word"`
	Word     string `json:"word" doc:"Empty at the end of the filter"`
	Why      string `json:"why"`
}

// FindFilterMistake returns where the filter of a refused request is wrong.
func FindFilterMistake(err error) (m FilterMistake, ok bool) {
	var said *Error
	if !errors.As(err, &said) {
		return m, false
	}
	for _, f := range said.Fields {
		v, is := f.Value.(map[string]any)
		if f.Field != "query.filter" || !is {
			continue
		}
		pos, _ := v["position"].(float64)
		m.Position = int(pos)
		m.Word, _ = v["word"].(string)
		m.Why, _ = v["why"].(string)
		return m, true
	}
	return m, false
}
