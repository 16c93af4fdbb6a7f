package control

import "github.com/seed88948545/vimage/internal/vnet"

type routeChange uint8

const (
	routeAdded routeChange = iota
	routeDeleted
	routeChanged
)

func routeEvent(st *vnet.Stack, what routeChange, fibnum int, r *route) {}
