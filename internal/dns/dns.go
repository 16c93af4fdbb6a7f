package dns

import (
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// MaxUDP is the longest answer in a datagram that a query asks for: one that no
// link makes fragments of (RFC 9715 §3).
const MaxUDP = 1232

// Query asks for the addresses of one family that a name has.
type Query struct {
	name dnsmessage.Name
	kind dnsmessage.Type
	id   uint16
}

// NewQuery returns the query for IPv6 or IPv4 addresses of a name that ends in a
// dot; false where that is no name. The id must not be foreseeable.
func NewQuery(name string, is6 bool, id uint16) (Query, bool) {
	n, err := dnsmessage.NewName(name)
	if err != nil || !IsName(name) {
		return Query{}, false
	}
	q := Query{n, dnsmessage.TypeA, id}
	if is6 {
		q.kind = dnsmessage.TypeAAAA
	}
	return q, true
}

// Is6 tells whether the query is for IPv6 addresses.
func (q *Query) Is6() bool { return q.kind == dnsmessage.TypeAAAA }

// Message returns the query's bytes.
func (q *Query) Message() []byte {
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: q.id, RecursionDesired: true},
		Questions: []dnsmessage.Question{q.question()},
	}
	var opt dnsmessage.ResourceHeader
	if opt.SetEDNS0(MaxUDP, dnsmessage.RCodeSuccess, false) == nil {
		m.Additionals = []dnsmessage.Resource{{Header: opt, Body: new(dnsmessage.OPTResource)}}
	}
	b, err := m.Pack()
	if err != nil {
		panic("dns: " + err.Error()) // the name has been checked
	}
	return b
}

func (q *Query) question() dnsmessage.Question {
	return dnsmessage.Question{Name: q.name, Type: q.kind, Class: dnsmessage.ClassINET}
}

// Verdict is what an answer comes to.
type Verdict uint8

// The verdicts.
const (
	Stray     Verdict = iota // not an answer to this query
	Found                    // there may be no addresses all the same: the name has others
	NoName                   // there is no such name
	Truncated                // the whole of it is to be had over TCP
	Failed                   // the server cannot say: another may
)

// Answer reads a server's message and appends the addresses that the name has, or
// the one that it is an alias of, to list.
func (q *Query) Answer(msg []byte, list []netip.Addr) ([]netip.Addr, Verdict) {
	var p dnsmessage.Parser
	h, err := p.Start(msg)
	if err != nil || h.ID != q.id || !h.Response || h.OpCode != 0 {
		return list, Stray
	}
	asked, err := p.AllQuestions()
	if err != nil || len(asked) != 1 || asked[0].Type != q.kind || asked[0].Class != dnsmessage.ClassINET || !equal(asked[0].Name, q.name) {
		return list, Stray
	}
	switch {
	case h.Truncated:
		return list, Truncated
	case h.RCode == dnsmessage.RCodeNameError:
		return list, NoName
	case h.RCode != dnsmessage.RCodeSuccess:
		return list, Failed
	}
	all, err := p.AllAnswers()
	if err != nil {
		return list, Failed
	}
	return q.follow(all, list), Found
}

// maxAliases is how long a chain of aliases may be.
const maxAliases = 16

// follow goes from alias to alias to the addresses.
func (q *Query) follow(all []dnsmessage.Resource, list []netip.Addr) []netip.Addr {
	name, had := q.name, len(list)
	for range maxAliases {
		var next dnsmessage.Name
		for i := range all {
			if !equal(all[i].Header.Name, name) {
				continue
			}
			switch r := all[i].Body.(type) {
			case *dnsmessage.CNAMEResource:
				next = r.CNAME
			case *dnsmessage.AResource:
				if !q.Is6() {
					list = append(list, netip.AddrFrom4(r.A))
				}
			case *dnsmessage.AAAAResource:
				if q.Is6() {
					list = append(list, netip.AddrFrom16(r.AAAA).Unmap())
				}
			}
		}
		if len(list) > had || next.Length == 0 {
			break
		}
		name = next
	}
	return list
}

func equal(a, b dnsmessage.Name) bool { return strings.EqualFold(a.String(), b.String()) }
