// Package loss is the sending half of TCP's reliability: what has been sent
// and not been acknowledged, what of it is lost, what to send again and when,
// and how much may be in flight.
//
//	RFC 6298             retransmission timer, Karn's algorithm
//	RFC 7323 §4          round-trip times by timestamps
//	RFC 2018, 6675       SACK scoreboard, reneging
//	RFC 8985             RACK-TLP; with RACK off, RFC 6675's counting
//	RFC 5681, 6582       NewReno recovery without SACK
//	RFC 9937 (6937bis)   proportional rate reduction, in every kind of recovery
//	RFC 5682             F-RTO, basic and with SACK
//	RFC 2883, 3708       undo by duplicate SACK, also of a recovery that has ended
//	RFC 3522, 4015 §3.2  undo by timestamps
//	RFC 3042             limited transmit
//	RFC 3168 §6.1.2      ECN echoes
//	RFC 6928             initial window
//	RFC 2861 §3.1, 7661  window after idle time; while it is not used, it does not grow
//
// What is sent at one moment is one record, however many segments it has. An
// acknowledgement costs what it changes: cumulative ones take records from the
// front, SACK blocks find theirs by binary search, RACK looks at the head of a
// list ordered by time of sending.
//
// Where the RFCs leave room it is as in Linux, but:
//
//   - RACK's reordering timer is set for the first segment that comes due, not
//     for the last, and three segments that are SACKed are three times the
//     segment size (RFC 8985 §6.2).
//   - A second timeout in a row, of a retransmission, and a timeout in a fast
//     recovery reduce the threshold once each (RFC 5681 §4.3).
//   - In a recovery without SACK each partial acknowledgement starts the timer
//     anew, the "slow but steady" variant (RFC 6582 §4).
//   - What a timer finds lost in a recovery makes no room beyond a segment.
//
// Deviations are marked where they are: the least timeout, and slow start's
// counting of bytes (package cc).
//
// Not done: ECN with more feedback (RFC 9768), detection of application limits
// in the delivery rate, the RTO adaptation of RFC 4015 §3.3, rules 3 and 4 of
// RFC 6675's NextSeg (RACK and the tail loss probe do better), the decay of a
// window that is used in part (RFC 2861 §3.2, RFC 7661 §4.4.2), RFC 3465's limit.
package loss
