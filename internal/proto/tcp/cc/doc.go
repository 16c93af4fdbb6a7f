// Package cc holds congestion control: how many bytes may be in flight.
//
//	RFC 9438       CUBIC, the default: Reno-friendly region, fast convergence
//	RFC 9406       HyStart++, for CUBIC's slow start
//	RFC 5681, 6582 NewReno, with RFC 3465's counting of bytes
//
// A Control is pure: it is told the time and the events. All arithmetic is of
// integers, so that it gives the same windows on every machine.
//
// Not done: delay- and model-based algorithms (the interface has room for
// them: Ack carries round-trip times), RFC 8511 (a different factor for ECN).
package cc
