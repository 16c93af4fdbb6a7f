package tester

import (
	"net/netip"
	"slices"
	"time"
)

// result adds up what everybody has counted.
func (t *test) result() *Result {
	r := &Result{
		Where: "lab", Time: "real", Seed: t.Seed,
		Hosts: t.Hosts, Groups: t.Groups.String(), Mode: t.filter.mode.String(),
		Sources: texts(t.filter.sources), Senders: texts(t.senderAddrs()), Bystanders: len(t.bystanders),
		Capacity: t.found, Ran: t.ran.Seconds(),
		Behind: ms(t.driver.behind), Held: t.driver.held.Seconds(), AllJoined: time.Duration(t.joinedS.Load()).Seconds(), AllJoinedRSS: t.joinedRSS.Load(),
	}
	switch {
	case t.Open != nil:
		r.Where = "wire"
	case t.Network != nil:
		r.Where = "network"
	}
	if t.Virtual {
		r.Time = "simulated"
	}
	if n := len(t.driver.pairs); n > 0 && t.Rate > 0 {
		r.Resolution = 1000 / t.Rate
	}
	t.tally.into(r)
	t.addReceivers(r)
	t.addFlows(r)
	for _, e := range t.bystanders {
		r.Leaked += e.leaked()
	}
	if t.lan != nil {
		r.Stopped.Switch = t.lan.Bridge().Stats().KeptBack
	}
	if s := t.ran.Seconds(); s > 0 {
		r.Throughput.Packets /= s
		r.Throughput.Bits /= s
	}
	r.Elapsed = time.Since(t.began).Seconds()
	r.MaxRSS = MaxRSS()
	return r
}

// into adds the samples.
func (t *tally) into(r *Result) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r.Joins, r.Joined = t.joins, len(t.joined)
	r.JoinDelay = Percentiles(t.joined)
	r.LeaveDelay = Percentiles(t.left)
	r.AfterLeave = t.after
	r.OneWay = t.oneWay.Delays()
	r.Zap = Zaps{
		Count: t.zaps, Failed: t.zaps - len(t.first),
		First: Percentiles(t.first), Last: Percentiles(t.last), Overlap: Percentiles(t.overlap),
	}
}

// addReceivers adds what receivers have counted for themselves.
func (t *test) addReceivers(r *Result) {
	for _, rc := range t.receivers {
		rc.mu.Lock()
		r.WrongSource += rc.wrong
		r.Foreign += rc.foreign
		r.OtherClock += rc.strange
		r.Throughput.Packets += float64(rc.got)
		r.Throughput.Bits += float64(rc.bytes) * 8
		rc.mu.Unlock()
		c := rc.Counters()
		r.Reports += c["igmp.sent"] + c["mld.sent"]
		r.Stopped.Socket += c["udp.filtermcast"]
		r.Stopped.Interface += c["ip.notmember"] + c["ip6.notmember"]
	}
}

// flowKey names a row.
type flowKey struct {
	source netip.Addr
	group  int
}

// addFlows adds what came of each source and group, over all receivers.
func (t *test) addFlows(r *Result) {
	rows, delays := map[flowKey]*Row{}, map[flowKey]*Spread{}
	for _, rc := range t.receivers {
		for g := range rc.channels {
			for k := range rc.channels[g].heard {
				h := &rc.channels[g].heard[k]
				key := flowKey{h.source, g}
				if rows[key] == nil {
					rows[key], delays[key] = new(Row), new(Spread)
				}
				rows[key].add(&h.Flow)
				delays[key].merge(&h.Delay)
			}
		}
	}
	keys := make([]flowKey, 0, len(rows))
	for k, row := range rows {
		keys = append(keys, k)
		r.Expected += row.Expected
		r.Delivered += row.Delivered
		r.Lost += row.Lost
		r.Duplicates += row.Duplicates
		r.Reordered += row.Reordered
	}
	slices.SortFunc(keys, func(a, b flowKey) int {
		if a.group != b.group {
			return a.group - b.group
		}
		return a.source.Compare(b.source)
	})
	r.Flows = []Row{}
	for i, k := range keys {
		if i == MaxRows {
			r.FlowsOmitted = len(keys) - i
			break
		}
		r.Flows = append(r.Flows, t.row(k, rows[k], delays[k]))
	}
	if r.Expected > 0 {
		r.Numbered = true
		r.LossPercent = float64(r.Lost) / float64(r.Expected) * 100
	}
}

func (row *Row) add(f *Flow) {
	row.Receivers++
	row.Expected += f.Expected
	row.Delivered += f.Delivered
	row.Lost += f.Lost()
	row.Duplicates += f.Duplicates
	row.Reordered += f.Reordered
}

// row completes a row.
func (t *test) row(k flowKey, row *Row, d *Spread) Row {
	row.Source, row.Group = k.source.String(), t.Groups.At(k.group).String()
	row.DelayMin, row.DelayMean, row.DelayMax = ms(d.Min), ms(d.Mean()), ms(d.Max)
	for _, s := range t.senders {
		if s.addr == k.source {
			row.Sent = s.groups[k.group].count
		}
	}
	return *row
}

func ms(d time.Duration) float64 { return float64(d) / 1e6 }

func texts(all []netip.Addr) []string {
	out := make([]string, 0, len(all))
	for _, a := range all {
		out = append(out, a.String())
	}
	return out
}
