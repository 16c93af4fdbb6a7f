package control

import (
	"syscall"

	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/vnet"
)

// NewStack makes a stack with one loopback interface, lo0, which is up and has
// no address, and constructs it for the loaded modules in order. It returns
// EINVAL for a bad name or number of shards, EEXIST where the name is taken,
// EOPNOTSUPP for a second stack of a process that is built to have one, and a
// module's error.
func NewStack(w *vnet.World, c vnet.StackConfig) (*vnet.Stack, syscall.Errno) {
	w.OnReconfigure(newConfigurer)
	st, e := w.MakeStack(c)
	if e != 0 {
		return nil, e
	}
	mods := w.Modules()
	mods.Lock()
	defer mods.Unlock()
	for _, m := range inOrder(w) {
		if e = load(st, m); e != 0 {
			break
		}
	}
	if e == 0 {
		e = w.Publish(st)
	}
	if e != 0 {
		destruct(st)
		st.Free()
		return nil, e
	}
	return st, 0
}

// Close removes the stack: it becomes invisible, its sockets report
// net.ErrClosed, its interfaces are unplugged, its modules' destructors run in
// reverse order. Closing twice is harmless.
func Close(st *vnet.Stack) {
	if Shut(st) {
		Destroy(st)
	}
}

// Shut is the first part of Close, after which nobody finds the stack and none of
// its sockets lives. It returns false where that was done before.
func Shut(st *vnet.Stack) bool {
	if !st.Shut() {
		return false
	}
	usrreq.CloseAll(st) // calls users: without the control lock
	return true
}

// Destroy is the rest of Close: what is still plugged in is unplugged.
func Destroy(st *vnet.Stack) {
	for c := range st.Interfaces() {
		if c.Flags&ifnet.Loopback == 0 {
			departs(st, &c)
		}
	}
	st.Lock()
	for c := range st.Interfaces() {
		if c.Flags&ifnet.Loopback == 0 {
			removeInterface(st, &c)
		}
	}
	tell(st)
	st.Unlock()
	st.Events().Close()
	mods := st.World().Modules()
	mods.Lock()
	destruct(st)
	mods.Unlock()
	st.Free()
}
