// Package tunnel makes links of packets that are carried inside others, and of a
// program that reads and writes packets: gif, gre and vxlan, and tun.
//
// A Device is a link.Port on the one side and, on the other, an end that the stack's
// path finds (ifnet.Ends). It re-enters the stack through queues only:
//
//	send ▸ tx ▸ Device.Put ┐                             ┌▸ Stack.Enqueue ▸ route in the tunnel's table ▸ send
//	                       ├▸ queue ▸ Drain ▸ room ──────┤
//	deliver ▸ Ends.Find ▸ Put ┘  (no shard's lock)       └▸ the interface's receiver ▸ inEther
//
// What headers look like and which packets are refused is the room's, proto/tunnel.
package tunnel
