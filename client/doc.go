// Package client drives running labs from Go, as the commands of vimage do: jails,
// interfaces, routes and all the rest, over the control API of a lab's daemon.
//
//	c, err := client.Open("")           // the lab that runs, or $VIMAGE_LAB
//	jails, err := c.Jails(ctx, nil)
//
// The API beneath is HTTP and JSON on a unix socket, described by the OpenAPI document
// at /openapi.json; the types of this package are its documents. All methods may be
// called by several goroutines.
//
// Jails have names and numbers. Where one is named, a/b is b as it is called in a, a jail
// below that one, and nothing else.
//
// # Errors
//
// What the lab refuses is an *Error. errors.Is finds the errno in it, such as
// syscall.EEXIST; Fields says which parts of the request are wrong.
//
// # Changes
//
// Each call that changes something takes place as a whole or not at all, and all
// changes of a lab are in one order. A client that goes away while its request is
// worked on does not stop it.
package client
