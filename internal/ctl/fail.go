package ctl

import (
	"errors"
	"net/http"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/client"
)

// refusal is an error as clients get it: a client.Error with what huma wants of one.
type refusal struct{ document }

type document = client.Error

// GetStatus implements huma.StatusError.
func (r *refusal) GetStatus() int { return r.Status }

// Error implements error.
func (r *refusal) Error() string { return r.document.Error() }

// ContentType implements huma.ContentTypeFilter.
func (r *refusal) ContentType(string) string { return "application/problem+json" }

// refuse returns an error as clients get it.
func refuse(err error) *refusal {
	r := new(refusal)
	if errors.As(err, &r) {
		return r
	}
	r = &refusal{document{Errno: client.ErrnoName(err), Message: err.Error()}}
	var f *fieldError
	if errors.As(err, &f) {
		r.Fields = []client.FieldError{{Field: f.field, Value: f.value, Message: f.err.Error()}}
	}
	var v *vimage.FieldError
	if errors.As(err, &v) && f == nil {
		r.Fields = []client.FieldError{{Field: "body." + v.Field, Message: v.Error()}}
	}
	r.Status = statusOf(r.Errno, len(r.Fields) > 0)
	r.Title = http.StatusText(r.Status)
	return r
}

// statusOf returns the status of HTTP that comes nearest to an errno.
func statusOf(errno string, field bool) int {
	switch errno {
	case "ENOENT", "ESRCH", "ENXIO", "ENODEV":
		return http.StatusNotFound
	case "EEXIST", "EBUSY", "EADDRINUSE":
		return http.StatusConflict
	case "EPERM", "EACCES":
		return http.StatusForbidden
	case "EOPNOTSUPP":
		return http.StatusNotImplemented
	case "ENOMEM", "ENOBUFS", "ENOSPC":
		return http.StatusInsufficientStorage
	case "":
		if !field {
			return http.StatusInternalServerError
		}
	}
	return http.StatusUnprocessableEntity
}

// fieldError is what is wrong with one part of a request.
type fieldError struct {
	field string // such as body.mtu
	value any
	err   error
}

// Error implements error.
func (e *fieldError) Error() string { return e.err.Error() }

// Unwrap returns what is wrong.
func (e *fieldError) Unwrap() error { return e.err }

// blame says which part of a request an error is due to; nil stays nil.
func blame(err error, field string, value any) error {
	if err == nil {
		return nil
	}
	return &fieldError{field, value, err}
}
