// Package roster is what a world keeps of its stacks without knowing what a stack
// is: who is there under which name and in which order they came, and what no two
// of them may be given, random numbers and hardware addresses.
//
// A million stacks may be on it. Looking one up takes no lock; adding one takes a
// lock for as long as it takes to put a pointer into a table.
package roster
