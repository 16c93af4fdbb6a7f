// Package ns runs tests inside Linux network namespaces of their own.
//
// Run re-executes the test binary for one test in new network and mount
// namespaces, and in a new user namespace unless the user is root. There the
// test may make interfaces as it likes; nothing of it is left behind. New makes
// further network namespaces in it, each a Linux host with its own stack. A
// host needs no process: a function given to Do runs inside it, and sockets
// opened there stay there, whichever goroutine uses them later.
package ns
