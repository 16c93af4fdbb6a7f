// Package linuxlab builds, in the network namespace of a test, a small network
// of Linux hosts on a Linux bridge that snoops IGMPv3, with a free TAP port for
// what is to be tested.
package linuxlab
