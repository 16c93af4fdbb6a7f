// Package cc holds congestion control: how many bytes may be in flight.
//
//	RFC 9438       CUBIC, the default: Reno-friendly region, fast convergence,
//	               timeouts (§4.8), time without use (§5.8), undo (§4.9)
//	RFC 9406       HyStart++, for CUBIC's slow start
//	RFC 5681, 6582 NewReno: bytes are counted, without the limit of RFC 3465
//
// A Control is pure: it is told the time and the events. All arithmetic is of
// integers, so that it gives the same windows on every machine; the tests hold
// CUBIC's to RFC 9438's formula within 2 % and a round trip.
//
// Deviation: time without use is known by a gap of more than two round trips
// between acknowledgements that let the window grow, not by the moment. HyStart++
// does not count at most eight segments of an acknowledgement: see slowStart.
//
// Not done: delay- and model-based algorithms (the interface has room for
// them: Ack carries round-trip times), RFC 8511 (a different factor for ECN),
// HyStart++ in a slow start after the first.
package cc
