// Package tester measures multicast, in the terms of RFC 2432 and RFC 3918:
// thousands of receivers and senders, each a host of its own with its own stack,
// MAC, address and IGMPv3 or MLDv2, on a network made for the purpose, on that of
// a topology file, or on a real wire.
//
//	r, err := tester.RunReceive(ctx, tester.Receive{
//		Hosts: 1000, Groups: tester.MustGroups("232.1.1.1+4"),
//		Senders: 2, Bystanders: 100, Virtual: true, Seed: 7,
//	})
//	fmt.Println(r.Verdict)
//
// # Who is there
//
// A receiver joins all Groups, or one at a time where it zaps. What it wants is
// its Mode and Sources: the sources it includes, or those it excludes. A sender
// sends to every group; an impostor too, although nobody wants it. A bystander
// joins nothing, and its card accepts everything it is shown.
//
// The network that is made (Open is nil) is one switch that snoops, and a
// querier. One receiver in ten shares a hub with a host that does want the
// impostor, so that there is something for its source filter to do. On a wire
// the switch, the querier and, without SendOpen, the senders are whatever is out
// there; with SendOpen and AwayOpen senders and bystanders are put on wires of
// their own, and what lies between the wires is what is tested.
//
// # What is measured
//
//	join delay    from a host's wish to the first wanted datagram at its socket
//	leave delay   from the wish to the last datagram of the group on the host's
//	              link, whether or not the host's card would take it; 0: none came.
//	              On a wire: from the last host's wish to the last on the wire
//	zap           both for a host that changes from one group to the next: first
//	              of the new, last of the old, and how long both came
//	loss          datagrams with a number between the first and the last that a
//	              receiver was to have, that did not come
//	wrong source  datagrams that a socket was given from a source its filter
//	              forbids
//	leaked        datagrams of the groups that bystanders' links carried
//	capacity      the most groups that all receivers can join, get, and keep from
//	              the bystanders: found by doubling, then by halves
//
// Delays can be no finer than the time between two datagrams of a group: Result
// says how long that is. A delay is only as good as the machine is idle; Result
// says how late the busiest moment made the tester itself.
//
// # The datagrams
//
// A payload is "vmc1", a word that tells clocks apart, the sender's number, a
// number that counts from 1 for each source and group, and the time it was sent
// (Unix nanoseconds), in all 32 bytes, and then zeros. So a receiver in another process
// finds loss, duplicates and reordering, and, where the clock is the same, the
// delay one way. Datagrams of other programs are counted, and that is all.
//
// # A schedule
//
// See ParseSchedule. Without one all join at once, and leave after three seconds.
//
// Not done: RFC 3918 §4.2 and §4.3 (mixed classes and scaled throughput: the
// tester offers a rate and does not search for the highest), §5 (tunnels); frame size
// sweeps, which are as many runs with another Size.
package tester
