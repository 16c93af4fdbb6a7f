// Package loss is the sending half of TCP's reliability: what has been sent
// and not been acknowledged, what of it is lost, what to send again and when,
// and how much may be in flight.
//
//	RFC 6298        retransmission timer
//	RFC 7323 §4     round-trip times by timestamps
//	RFC 2018, 6675  SACK scoreboard, reneging
//	RFC 8985        RACK-TLP; with RACK off, RFC 6675's counting
//	RFC 5681, 6582  NewReno recovery without SACK
//	RFC 6937bis     proportional rate reduction, in every kind of recovery
//	RFC 5682        F-RTO, basic and with SACK
//	RFC 2883, 3708  undo by duplicate SACK
//	RFC 3522, 4015  undo by timestamps
//	RFC 3042        limited transmit
//	RFC 3168 §6.1.2 ECN echoes
//	RFC 6928        initial window
//	RFC 2861, 7661  window after idle time, and while it is not used
//
// What is sent at one moment is one record, however many segments it has. An
// acknowledgement costs what it changes: cumulative ones take records from the
// front, SACK blocks find theirs by binary search, RACK looks at the head of a
// list ordered by time of sending.
//
// Not done: the rescue retransmission of RFC 6675 §4 (4) (with RACK, a tail loss
// probe does it better), ECN with more feedback (RFC 9768), detection of application limits
// in the delivery rate, the RTO adaptation of RFC 4015 §3.3.
package loss
