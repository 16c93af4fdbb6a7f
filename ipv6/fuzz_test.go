package ipv6_test

import (
	"net"
	"testing"

	"github.com/seed88948545/vimage/ipv6"
)

// FuzzControl reads control messages of any content: what x/net's parser finds in
// them for a packet that was received, ours finds too for one that is to be sent,
// and what was found is written and read again without a loss.
func FuzzControl(f *testing.F) {
	for _, cm := range []ipv6.ControlMessage{
		{}, {TrafficClass: 0x28}, {HopLimit: 64, IfIndex: 3}, {Src: net.IPv6loopback},
		{TrafficClass: 255, HopLimit: 255, Src: net.ParseIP("fe80::1"), IfIndex: 1<<31 - 1, NextHop: net.ParseIP("fe80::2")},
	} {
		f.Add(cm.Marshal())
		received := cm
		received.Dst, received.MTU = net.ParseIP("ff02::1"), 1280
		oob := make([]byte, 200)
		all := ipv6.FlagTrafficClass | ipv6.FlagHopLimit | ipv6.FlagDst | ipv6.FlagInterface | ipv6.FlagPathMTU
		f.Add(oob[:ipv6.PutControl(oob, all, &received)])
	}
	f.Fuzz(func(t *testing.T, oob []byte) {
		ours := ipv6.GetControl(oob)
		var theirs ipv6.ControlMessage
		if err := theirs.Parse(oob); err != nil || ours == nil {
			return
		}
		if ours.TrafficClass != int(int32(theirs.TrafficClass)) || ours.HopLimit != int(int32(theirs.HopLimit)) {
			t.Errorf("%x\nwe find %v\nx/net   %v", oob, ours, &theirs)
		}
		if ours.TrafficClass > 0 && ours.HopLimit > 0 && ours.IfIndex > 0 {
			again := ipv6.GetControl(ours.Marshal())
			again.NextHop = ours.NextHop // which x/net does not write everywhere
			if again.String() != ours.String() {
				t.Errorf("%x\nfound   %v\nthen    %v", oob, ours, again)
			}
		}
		room := make([]byte, len(oob))
		cf := ipv6.FlagTrafficClass | ipv6.FlagHopLimit | ipv6.FlagDst
		cm := ipv6.ControlMessage{TrafficClass: ours.TrafficClass & 255, HopLimit: ours.HopLimit & 255, Src: net.IPv6zero, Dst: net.IPv6loopback, IfIndex: 7}
		n := ipv6.PutControl(room, cf, &cm)
		var got ipv6.ControlMessage
		if err := got.Parse(room[:n]); err != nil || got.Dst != nil && (got.IfIndex != 7 || !got.Dst.Equal(cm.Dst)) {
			t.Errorf("%d bytes of %d: %v, %v", n, len(room), &got, err)
		}
		if len(room) >= len(ipv6.NewControlMessage(cf)) && (got.TrafficClass != cm.TrafficClass || got.HopLimit != cm.HopLimit || got.Dst == nil) {
			t.Errorf("%v became %v", &cm, &got)
		}
	})
}
