package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
)

// Error is what a lab says of a request that it refuses (RFC 9457, with an errno).
type Error struct {
	Title   string       `json:"title"`
	Status  int          `json:"status"`                                                  // of HTTP
	Message string       `json:"detail"`                                                  // what is wrong
	Errno   string       `json:"errno,omitempty" doc:"Symbolic name of the system error"` // such as EEXIST
	Fields  []FieldError `json:"errors,omitempty"`                                        // which parts of the request are
}

// FieldError says what is wrong with one part of a request.
type FieldError struct {
	Message string `json:"message"`
	Field   string `json:"location,omitempty"` // such as body.mtu, path.jail, query.fib
	Value   any    `json:"value,omitempty"`    // that it had
}

// Error returns what is wrong, with the parts of the request that are.
func (e *Error) Error() string {
	text := e.Message
	for _, f := range e.Fields {
		if f.Message == e.Message || f.Message == "" {
			continue
		}
		where := strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(f.Field, "body."), "query."), "path.")
		text += fmt.Sprintf(": %s: %s", where, f.Message)
	}
	if text == "" {
		return http.StatusText(e.Status)
	}
	return text
}

// Is tells whether target is the syscall.Errno that Errno names.
func (e *Error) Is(target error) bool {
	no, ok := target.(syscall.Errno)
	return ok && e.Errno != "" && ErrnoName(no) == e.Errno
}

// Strerror returns what FreeBSD's strerror says of Errno, "" without one.
func (e *Error) Strerror() string {
	for _, n := range errnos() {
		if n.name == e.Errno {
			return n.text
		}
	}
	return ""
}

// ErrnoName returns the symbolic name of the system error in err, such as EEXIST; ""
// where there is none, or an unusual one.
func ErrnoName(err error) string {
	var said *Error
	if errors.As(err, &said) {
		return said.Errno
	}
	var no syscall.Errno
	if !errors.As(err, &no) {
		return ""
	}
	for _, n := range errnos() {
		if n.no == no {
			return n.name
		}
	}
	return ""
}

type errno struct {
	no   syscall.Errno
	name string
	text string // of FreeBSD
}

// errnos are the system errors that stacks report. Their numbers differ between
// systems, so it is names that travel.
func errnos() [29]errno {
	return [...]errno{
		{syscall.EPERM, "EPERM", "Operation not permitted"},
		{syscall.ENOENT, "ENOENT", "No such file or directory"},
		{syscall.ESRCH, "ESRCH", "No such process"},
		{syscall.EINTR, "EINTR", "Interrupted system call"},
		{syscall.ENXIO, "ENXIO", "Device not configured"},
		{syscall.E2BIG, "E2BIG", "Argument list too long"},
		{syscall.ENOMEM, "ENOMEM", "Cannot allocate memory"},
		{syscall.EACCES, "EACCES", "Permission denied"},
		{syscall.EBUSY, "EBUSY", "Device busy"},
		{syscall.EEXIST, "EEXIST", "File exists"},
		{syscall.ENODEV, "ENODEV", "Operation not supported by device"},
		{syscall.EINVAL, "EINVAL", "Invalid argument"},
		{syscall.ENOSPC, "ENOSPC", "No space left on device"},
		{syscall.ERANGE, "ERANGE", "Result too large"},
		{syscall.EDESTADDRREQ, "EDESTADDRREQ", "Destination address required"},
		{syscall.EMSGSIZE, "EMSGSIZE", "Message too long"},
		{syscall.ENOPROTOOPT, "ENOPROTOOPT", "Protocol not available"},
		{syscall.EPROTONOSUPPORT, "EPROTONOSUPPORT", "Protocol not supported"},
		{syscall.EOPNOTSUPP, "EOPNOTSUPP", "Operation not supported"},
		{syscall.EAFNOSUPPORT, "EAFNOSUPPORT", "Address family not supported by protocol family"},
		{syscall.EADDRINUSE, "EADDRINUSE", "Address already in use"},
		{syscall.EADDRNOTAVAIL, "EADDRNOTAVAIL", "Can't assign requested address"},
		{syscall.ENETUNREACH, "ENETUNREACH", "Network is unreachable"},
		{syscall.ENOBUFS, "ENOBUFS", "No buffer space available"},
		{syscall.ETIMEDOUT, "ETIMEDOUT", "Operation timed out"},
		{syscall.ECONNREFUSED, "ECONNREFUSED", "Connection refused"},
		{syscall.EHOSTDOWN, "EHOSTDOWN", "Host is down"},
		{syscall.EHOSTUNREACH, "EHOSTUNREACH", "No route to host"},
		{syscall.ENETDOWN, "ENETDOWN", "Network is down"},
	}
}

// readError returns the error in an answer.
func readError(r *http.Response) error {
	text, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return err
	}
	e := new(Error)
	if json.Unmarshal(text, e) != nil || e.Status == 0 {
		e = &Error{Status: r.StatusCode, Title: http.StatusText(r.StatusCode), Message: strings.TrimSpace(string(text))}
	}
	return e
}
