// Package dns is what a stub resolver says to a name server and what it makes of
// the answer: names to try, a query's bytes, an answer's addresses. It knows no
// socket and no time.
//
// Obeyed: RFC 1034 §5.3.1 (a stub, which leaves the work to a recursive server),
// RFC 1035 §4 (messages), RFC 3596 (AAAA), RFC 5452 §9.1 (what an answer must
// repeat), RFC 6891 §6.2.3 (the size of answers).
//
// Not done: following a chain of aliases that the server has not followed;
// caching; DNSSEC; records other than addresses.
package dns
