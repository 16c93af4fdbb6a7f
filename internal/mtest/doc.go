// Package mtest is the interpreter of the BSD tester of that name, on a host of
// vimage: one command per line joins and leaves groups and edits source filters, on
// one UDP socket of each family.
//
//	j GROUP IF [SOURCE]       join a group, or one source of it
//	l GROUP IF [SOURCE]       leave it
//	i GROUP IF N SOURCE…      set a filter: only these sources
//	e GROUP IF N SOURCE…      set a filter: all but these
//	t GROUP IF SOURCE         allow a source
//	b GROUP IF SOURCE         block it
//	g GROUP IF N              show the filter, and up to N of its sources
//	a IF MAC                  receive frames to an Ethernet group
//	d IF MAC                  no longer
//	m IF 1/0                  all Ethernet groups: not supported
//	p IF 1/0                  promiscuous mode
//	s N                       sleep N seconds
//	f FILE                    commands of a file
//	?                         help
//	q                         quit
//
// IF is an interface's name, one of its addresses, or 0.0.0.0 or :: for whichever
// the stack chooses. Sources stand on the same line, or, as in BSD, one on each of
// the lines that follow. Blanks behind the letter may be left out. Empty lines and
// lines that begin with # are passed over.
//
// A command that worked prints ok. One that did not prints -1, and the reason on the
// other stream, with the name of the socket option that refused.
//
// As in BSD's program, and not as in its manual, t allows and b blocks; both do what
// the membership's mode asks for: in INCLUDE mode they join and leave the source.
package mtest
