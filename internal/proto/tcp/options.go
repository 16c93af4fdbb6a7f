package tcp

import (
	"time"

	"github.com/seed88948545/vimage/internal/proto/tcp/cc"
)

// SetNoDelay turns Nagle's algorithm off or on (TCP_NODELAY).
func (c *Conn) SetNoDelay(on bool) { c.noDelay = on }

// SetCork holds back segments that are not full, or lets them go (TCP_NOPUSH).
func (c *Conn) SetCork(on bool) { c.cork = on }

// SetUserTimeout sets Config.UserTimeout (TCP_USER_TIMEOUT).
func (c *Conn) SetUserTimeout(d time.Duration) {
	c.userTimeout = uint32(min(d/time.Millisecond, 1<<31))
}

// SetCC changes the congestion control (TCP_CONGESTION) and tells whether there
// is one of that name.
func (c *Conn) SetCC(name string) bool {
	if !cc.Known(name) {
		return false
	}
	if c.open != nil {
		c.open.cc = name
	}
	c.snd.SetControl(name)
	return true
}
