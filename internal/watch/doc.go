// Package watch finds out from the frames of a segment who listens to what:
// IGMP of versions 1 to 3 (RFC 1112, 2236, 3376) and MLD of versions 1 and 2
// (RFC 2710, 3810). It keeps what each host has reported, one by one, which a
// router that only forwards need not; what routers asked; and how many datagrams
// were seen of each source and group, and how many listeners wanted them.
//
//	w := watch.New(watch.Config{})
//	w.Frame(at, watch.Ethernet, frame, len(frame))   // for each frame
//	for w.Next(&e) { … }                             // what came of it
//	w.Advance(at)                                    // where no frame came for a while
//	r := w.Report(at)                                // the tables
//
// A Watcher is pure: times are given, in nanoseconds of any epoch, and must not go
// back by much. It never sends. Frames are anybody's: whatever they hold, it keeps
// no more than its Config allows, and counts what it refused to keep.
//
// What a host's records mean is taken from the host's side of RFC 3376 §5.1: a
// record that says what the filter is replaces it, one of changes changes it. No
// timer stands between, as a router has for its queries' sake (§6.4).
//
// What is not a mistake of any RFC, but strange, is told as well: see Anomaly.
//
// Not done: reassembly of fragments, Multicast Router Discovery (RFC 4286), PIM.
package watch
