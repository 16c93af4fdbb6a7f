package watch

import (
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"text/tabwriter"
)

// maxListed is how many addresses a line shows.
const maxListed = 8

// addrs is a list as people write it: {a, b}.
func addrs(list []netip.Addr) string {
	var s strings.Builder
	s.WriteByte('{')
	for i, a := range list {
		if i > 0 {
			s.WriteString(", ")
		}
		if i == maxListed {
			fmt.Fprintf(&s, "… %d more", len(list)-i)
			break
		}
		s.WriteString(a.String())
	}
	s.WriteByte('}')
	return s.String()
}

// seconds writes a time in seconds without zeros that say nothing.
func seconds(s float64) string { return strconv.FormatFloat(s, 'f', -1, 64) + " s" }

// String is the event in one line.
func (e *Event) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "%12.6f  ", e.Seconds)
	if e.VLAN != 0 {
		fmt.Fprintf(&s, "vlan %d  ", e.VLAN)
	}
	if e.Host.IsValid() {
		s.WriteString(e.Host.String())
		if e.MAC != "" {
			s.WriteString(" (" + e.MAC + ")")
		}
		s.WriteString("  ")
	}
	switch e.Kind {
	case Asked:
		s.WriteString(e.asked())
	case Recorded:
		s.WriteString(e.Group.String() + "  reports " + e.What + addrs(e.Sources) + "  " + e.Protocol)
	case Malformed:
		s.WriteString(e.Protocol + " malformed: " + e.Reason)
	case Strange:
		if e.Group.IsValid() {
			s.WriteString(e.Group.String() + "  ")
		}
		s.WriteString("anomaly " + e.What + ": " + e.Reason)
	default:
		s.WriteString(e.Group.String() + "  " + e.change() + "  " + e.Protocol)
	}
	return s.String()
}

func (e *Event) change() string {
	filter := e.Mode + addrs(e.Sources)
	switch e.Kind {
	case Joined:
		return "joined " + filter
	case Member:
		return "is a member " + filter
	case Changed:
		s := "now " + filter
		if len(e.Added) > 0 {
			s += " +" + addrs(e.Added)
		}
		if len(e.Removed) > 0 {
			s += " -" + addrs(e.Removed)
		}
		return s
	}
	return e.Kind
}

func (e *Event) asked() string {
	q := e.Query
	s := e.Protocol + " query: all groups"
	switch {
	case len(q.Sources) > 0:
		s = e.Protocol + " query: " + e.Group.String() + " of " + addrs(q.Sources)
	case !q.General:
		s = e.Protocol + " query: " + e.Group.String()
	}
	s += ", max response " + seconds(q.MaxResp)
	if e.Protocol == "IGMPv3" || e.Protocol == "MLDv2" {
		s += fmt.Sprintf(", QRV %d, QQI %s", q.Robustness, seconds(q.Interval))
		if q.Suppress {
			s += ", S"
		}
	}
	return s
}

// WriteText prints the tables.
func (r *Report) WriteText(out io.Writer) error {
	t := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	r.members(t)
	r.queriers(t)
	r.data(t)
	r.anomalies(t)
	if err := t.Flush(); err != nil {
		return err
	}
	c := &r.Counts
	s := fmt.Sprintf("%.3f s: %d frames, %d queries, %d reports, %d leaves, %d datagrams to groups, %d malformed", r.Seconds, c.Frames, c.Queries, c.Reports, c.Leaves, c.Data, c.Malformed)
	if c.Cut > 0 {
		s += fmt.Sprintf(", %d cut short by the capture", c.Cut)
	}
	if c.Other > 0 {
		s += fmt.Sprintf(", %d of IGMP about other things", c.Other)
	}
	if f := c.Refused; f != (Refused{}) {
		s += fmt.Sprintf("\nnot kept, for want of room: hosts %d, memberships %d, sources %d, channels %d, queries %d, anomalies %d, events %d",
			f.Hosts, f.Memberships, f.Sources, f.Channels, f.Queries, f.Anomalies, f.Events)
	}
	_, err := fmt.Fprintln(out, s)
	return err
}

// where is an address with its VLAN, if it has one.
func where(vlan uint16, a netip.Addr) string {
	if vlan == 0 {
		return a.String()
	}
	return fmt.Sprintf("%v vlan %d", a, vlan)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func (r *Report) members(t io.Writer) {
	if len(r.Memberships) == 0 {
		fmt.Fprintln(t, "no host is a member of a group")
	} else {
		fmt.Fprintln(t, "HOST\tMAC\tGROUP\tVERSION\tFILTER\tSINCE\tREPORTED")
	}
	for _, m := range r.Memberships {
		fmt.Fprintf(t, "%v\t%s\t%s\t%s\t%s%s\t%.3f\t%.3f\n", m.Host, dash(m.MAC), where(m.VLAN, m.Group), m.Protocol, m.Mode, addrs(m.Sources), m.Since, m.Last)
	}
	fmt.Fprintln(t)
	if len(r.Groups) == 0 {
		return
	}
	fmt.Fprintln(t, "GROUP\tHOSTS\tINCLUDE\tEXCLUDE\tSOURCES\tMOST HOSTS\tDATAGRAMS")
	for _, g := range r.Groups {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\t%d\n", where(g.VLAN, g.Group), g.Hosts, g.Include, g.Exclude, g.Sources, g.Most, g.Packets)
	}
	fmt.Fprintln(t)
}

func (r *Report) queriers(t io.Writer) {
	if len(r.Queriers) == 0 {
		fmt.Fprintln(t, "nobody asks")
	} else {
		fmt.Fprintln(t, "QUERIER\tMAC\tVERSION\tELECTED\tGENERAL\tSPECIFIC\tROBUSTNESS\tINTERVAL\tMAX RESPONSE")
	}
	for _, q := range r.Queriers {
		elected := "no"
		if q.Elected {
			elected = "yes"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%d\t%d\t%s\t%s\n", where(q.VLAN, q.Host), dash(q.MAC), q.Protocol, elected, q.General, q.Specific, q.Robustness, seconds(q.Interval), seconds(q.MaxResp))
	}
	fmt.Fprintln(t)
}

func (r *Report) data(t io.Writer) {
	if len(r.Data) > 0 {
		fmt.Fprintln(t, "SOURCE\tGROUP\tDATAGRAMS\tBYTES\tLISTENERS\tMOST\tWANTED BY NOBODY")
		for _, c := range r.Data {
			note := strconv.FormatUint(c.Nobody, 10)
			switch {
			case c.Local:
				note = "- (of the link only)"
			case c.Nobody == c.Packets:
				note += " (sent, but nobody listens)"
			}
			fmt.Fprintf(t, "%v\t%s\t%d\t%d\t%d\t%d\t%s\n", c.Source, where(c.VLAN, c.Group), c.Packets, c.Bytes, c.Listeners, c.Most, note)
		}
		fmt.Fprintln(t)
	}
	if len(r.Unserved) > 0 {
		fmt.Fprintln(t, "WANTED, BUT NOT SEEN\tOF\tHOSTS")
		for _, u := range r.Unserved {
			source := "any source"
			if u.Source.IsValid() {
				source = u.Source.String()
			}
			fmt.Fprintf(t, "%s\t%s\t%d\n", where(u.VLAN, u.Group), source, u.Hosts)
		}
		fmt.Fprintln(t)
	}
}

func (r *Report) anomalies(t io.Writer) {
	if len(r.Anomalies) == 0 {
		return
	}
	fmt.Fprintln(t, "ANOMALY\tHOST\tGROUP\tTIMES\tFIRST\tLAST\tREASON")
	for _, a := range r.Anomalies {
		group := "-"
		if a.Group.IsValid() {
			group = where(a.VLAN, a.Group)
		}
		fmt.Fprintf(t, "%s\t%v\t%s\t%d\t%.3f\t%.3f\t%s\n", a.What, a.Host, group, a.Times, a.First, a.Last, a.Reason)
	}
	fmt.Fprintln(t)
}
