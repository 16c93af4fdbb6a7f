// Package gmptest is what the tests of IGMP and MLD share: transcripts that drive
// a host or a router, and the comparison with captures of other hosts. The
// protocols supply the messages.
package gmptest
