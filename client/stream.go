package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// Stream is what a lab says bit by bit, until it or the client ends it: server-sent
// events. One goroutine reads it.
type Stream struct {
	answer *http.Response
	lines  *bufio.Scanner
	stop   context.CancelFunc
}

// Stream asks for a path of the API that answers with a stream. It ends with ctx.
func (c *Client) Stream(ctx context.Context, method, path string, query url.Values, in any) (*Stream, error) {
	ctx, stop := context.WithCancel(ctx)
	r, err := c.send(ctx, method, path, query, in)
	if err != nil {
		stop()
		return nil, err
	}
	s := &Stream{answer: r, lines: bufio.NewScanner(r.Body), stop: stop}
	s.lines.Buffer(nil, 1<<20)
	return s, nil
}

// Next returns the kind of the next event and its JSON. The error is io.EOF at the
// end of the stream, and an *Error where the lab says that something went wrong.
func (s *Stream) Next() (kind string, data []byte, err error) {
	for s.lines.Scan() {
		name, value, _ := bytes.Cut(s.lines.Bytes(), []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(name) {
		case "event":
			kind = string(value)
		case "data":
			data = append(data, value...)
		case "": // the end of an event, or a comment
			if len(s.lines.Bytes()) > 0 || kind == "" && data == nil {
				continue
			}
			if kind != "error" {
				return kind, data, nil
			}
			e := new(Error)
			if err := json.Unmarshal(data, e); err != nil {
				return "", nil, err
			}
			return "", nil, e
		}
	}
	if err := s.lines.Err(); err != nil {
		return "", nil, err
	}
	return "", nil, io.EOF
}

// Read decodes the next event, which must be of that kind, into v.
func (s *Stream) Read(kind string, v any) error {
	got, data, err := s.Next()
	switch {
	case err != nil:
		return err
	case got != kind:
		return fmt.Errorf("the lab said %q instead of %q", got, kind)
	}
	return json.Unmarshal(data, v)
}

// Close ends the stream.
func (s *Stream) Close() error {
	s.stop()
	return s.answer.Body.Close()
}
