package wire

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

func optionsText(o IPv4Options) string {
	var s []string
	for opt, ok := o.Next(); ok; opt, ok = o.Next() {
		s = append(s, fmt.Sprintf("%d:%x", opt.Type(), opt.Data()))
	}
	return strings.Join(s, " ")
}

func TestParseIPv4Options(t *testing.T) {
	tests := []struct {
		name  string
		b     []byte
		want  string
		fault Fault
		at    int // length of the checked list
	}{
		{"none", nil, "", OK, 0},
		{"router alert", []byte{148, 4, 0, 0}, "148:0000", OK, 4},
		{"end of list hides the rest", []byte{148, 4, 0, 0, 0, 99, 0, 0}, "148:0000", OK, 4},
		{"no-operations between", []byte{1, 1, 148, 4, 0, 0, 1, 0}, "148:0000", OK, 7},
		{"only no-operations", []byte{1, 1, 1, 1}, "", OK, 4},
		{"record route", []byte{7, 7, 4, 10, 0, 0, 1, 0}, "7:040a000001", OK, 7},
		{"timestamp and unknown", []byte{68, 4, 5, 0, 222, 3, 9, 0}, "68:0500 222:09", OK, 7},
		{"option without data", []byte{130, 2, 1, 1}, "130:", OK, 4},
		{"length 0", []byte{148, 4, 0, 0, 7, 0, 4, 0}, "148:0000", BadOption, 4},
		{"length 1", []byte{7, 1, 4, 0}, "", BadOption, 0},
		{"runs past the header", []byte{1, 7, 4, 0}, "", BadOption, 1},
		{"no length octet", []byte{148, 4, 0, 0, 1, 1, 1, 7}, "148:0000", BadOption, 7},
	}
	for _, tc := range tests {
		o, f := ParseIPv4Options(tc.b)
		if f != tc.fault || len(o) != tc.at || optionsText(o) != tc.want {
			t.Errorf("%s: %s at %d %q, want %s at %d %q", tc.name, f, len(o), optionsText(o), tc.fault, tc.at, tc.want)
		}
	}
}

func TestIPv4OptionCopied(t *testing.T) {
	for typ, want := range map[uint8]bool{
		IPv4OptRecordRoute: false, IPv4OptTimestamp: false, IPv4OptLooseRoute: true, IPv4OptStrictRoute: true, IPv4OptRouterAlert: true,
	} {
		if got := (IPv4Option{typ, 2}).Copied(); got != want {
			t.Errorf("option %d: copied %t", typ, got)
		}
	}
}

func TestPutIPv4Options(t *testing.T) {
	alert := RouterAlert()
	tests := []struct {
		name    string
		options []byte
		want    []byte
		alert   bool
	}{
		{"none", nil, nil, false},
		{"router alert", alert[:], []byte{148, 4, 0, 0}, true},
		{"padded", []byte{7, 3, 4}, []byte{7, 3, 4, 0}, false},
		{"router alert after another", []byte{7, 3, 4, 148, 4, 0, 0}, []byte{7, 3, 4, 148, 4, 0, 0, 0}, true},
		{"router alert of another value", []byte{148, 4, 0, 1}, []byte{148, 4, 0, 1}, false},
		{"router alert after the end of the list", []byte{0, 0, 0, 0, 148, 4, 0, 0}, []byte{0, 0, 0, 0, 148, 4, 0, 0}, false},
		{"router alert before a bad option", []byte{1, 148, 4, 0, 0, 7, 1, 0}, []byte{1, 148, 4, 0, 0, 7, 1, 0}, true},
		{"router alert inside another option", []byte{7, 8, 4, 0, 148, 4, 0, 0}, []byte{7, 8, 4, 0, 148, 4, 0, 0}, false},
	}
	for _, tc := range tests {
		h := IPv4Header{Src: netip.IPv4Unspecified(), Dst: netip.IPv4Unspecified(), Options: tc.options}
		b := bytes.Repeat([]byte{0xa5}, 64)
		n := PutIPv4(b, &h, 3)
		p, f := ParseIPv4(b)
		if f != OK || n != h.Len() || n != 20+len(tc.want) || !bytes.Equal(p.Options(), tc.want) || len(p.Payload()) != 3 || !p.ChecksumOK() {
			t.Errorf("%s: %s, header of %d bytes, options %x", tc.name, f, n, p.Options())
		}
		if got := p.HasRouterAlert(); got != tc.alert {
			t.Errorf("%s: HasRouterAlert %t", tc.name, got)
		}
	}
}
