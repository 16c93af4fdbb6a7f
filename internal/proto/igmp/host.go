package igmp

import (
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/gmp"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/wire"
)

type addr = [4]byte

// Host reports the memberships of one interface. A Host without reportable
// groups holds nothing but itself; a group takes 64 bytes while nothing is to
// be sent.
type Host struct{ engine gmp.Host[addr] }

// NewHost returns the engine of an interface. The seed decides the random
// delays. A silent interface (loopback, or without multicast) never sends.
func NewHost(t *Tunables, seed uint64, silent bool) Host {
	return Host{gmp.NewHost[addr](uint8(min(max(t.DefaultVersion, 1), 3)), seed, silent)}
}

func (t *Tunables) rules() gmp.HostRules {
	return gmp.HostRules{
		Unsolicited: time.Duration(t.Unsolicited) * time.Second, SourceDelay: time.Duration(t.SourceDelay) * time.Second,
		Robustness: uint8(t.Robustness), V1: t.V1Enable != 0, V2: t.V2Enable != 0, Suppress: t.LegacySupp != 0,
	}
}

// Version returns the version in force: the interface's own, or that of the
// oldest querier lately heard (RFC 3376 §7.2.1).
func (h *Host) Version(now clock.Time, t *Tunables) int {
	r := t.rules()
	return h.engine.Version(now, &r)
}

// State returns what there is to know: the content of ifmcstat. It changes
// nothing.
func (h *Host) State(now clock.Time, t *Tunables) HostState {
	r := t.rules()
	return h.engine.State(now, &r)
}

// Idle tells whether the engine may be forgotten, and be made again when something
// happens: with Restore for each group, it then goes on as this one would.
func (h *Host) Idle() bool { return h.engine.Idle() }

// Restore tells a new engine of a group that was reported before.
func (h *Host) Restore(t *Tunables, to netip.Addr, f mcast.Filter) {
	if a := to.As4(); h.reports(a, t) {
		h.engine.Restore(a, f)
	}
}

// Groups returns the number of groups that are, or are about to be, reported.
func (h *Host) Groups() int { return h.engine.Groups() }

// Deadline returns when Next will have something to say, clock.Never if not
// before the next Input or Change.
func (h *Host) Deadline() clock.Time { return h.engine.Deadline() }

// Change tells the engine what the interface now wants of a group: the New
// filter of a mcast transaction. The first report is due at once. The filter's
// list must not be written to afterwards.
func (h *Host) Change(now clock.Time, e Env, to netip.Addr, f mcast.Filter) {
	if a := to.As4(); h.reports(a, e.T) {
		r := e.T.rules()
		h.engine.Change(now, &r, a, f, 0)
	}
}

// Announce reports all groups as if they had just been joined, because the
// interface came up or was plugged into another link.
func (h *Host) Announce(now clock.Time, e Env) {
	r := e.T.rules()
	h.engine.Announce(now, &r)
}

// reports says whether a group is ever reported. 224.0.0.1 never is (RFC 3376
// §6), nor anything on a silent interface.
func (h *Host) reports(a addr, t *Tunables) bool {
	if h.engine.Silent() || a == (addr{224, 0, 0, 1}) {
		return false
	}
	return t.SendLocal != 0 || a[0] != 224 || a[1] != 0 || a[2] != 0
}

// Next writes the next message that is due into out.Buf; false if none is.
func (h *Host) Next(now clock.Time, e Env, out *Out) bool {
	r, m := e.T.rules(), gmp.Message[addr]{Buf: out.Buf}
	if !h.engine.Next(now, &r, &m) {
		return false
	}
	e.Sent.Messages++
	out.RouterAlert = e.T.RouterAlert != 0 && m.Version > 1
	if m.Kind == gmp.Report {
		wire.PutIGMPv3Report(m.Buf[:m.N], m.Records)
		out.N, out.Dst, out.TOS = m.N, netip.AddrFrom4(addr{224, 0, 0, 22}), precedence
		return true
	}
	group := netip.AddrFrom4(m.Group)
	typ, to := wire.IGMPTypeV2Report, group
	switch {
	case m.Kind == gmp.Leave: // RFC 2236 §6
		typ, to = wire.IGMPTypeV2Leave, netip.AddrFrom4(addr{224, 0, 0, 2})
	case m.Version == 1:
		typ = wire.IGMPTypeV1Report
	}
	wire.PutIGMP(out.Buf, typ, 0, group)
	out.N, out.Dst, out.TOS = wire.IGMPLen, to, 0
	return true
}
