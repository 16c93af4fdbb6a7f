package syn

import (
	"net/netip"
	"slices"
)

// Jar is the Fast Open cookies that servers gave us, those of the last 256
// (RFC 7413 §4.1.3.2).
type Jar struct {
	all []fastCookie
}

type fastCookie struct {
	server netip.Addr
	cookie []byte
}

// jarSize is how many servers are remembered.
const jarSize = 256

// Put keeps a copy of a server's newest cookie; an empty one takes it away.
func (j *Jar) Put(server netip.Addr, cookie []byte) {
	j.all = slices.DeleteFunc(j.all, func(c fastCookie) bool { return c.server == server })
	if len(cookie) == 0 {
		return
	}
	if len(j.all) == jarSize {
		j.all = slices.Delete(j.all, 0, 1)
	}
	j.all = append(j.all, fastCookie{server, slices.Clone(cookie)})
}

// Get returns a server's cookie, which does not change, or nil.
func (j *Jar) Get(server netip.Addr) []byte {
	for i := range j.all {
		if j.all[i].server == server {
			return j.all[i].cookie
		}
	}
	return nil
}
