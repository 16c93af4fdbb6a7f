// Package interop holds the tests that put vimage beside other
// implementations: the Linux kernel's stack and bridge, FRR's pimd, and tools
// that read what vimage writes.
//
// It is a module of its own, so that what only these tests need stays out of
// the product. Run it with
//
//	cd interop && go test ./...
//
// as root, or as a user who may make user namespaces. Without either the tests
// that need it skip, and fail if the environment has CI=true. Everything happens
// in network namespaces that go away with the test.
//
// VIMAGE_SOAK=1 in the environment adds what takes minutes: the whole table of
// goodputs, and readers that stop for one. VIMAGE_TCP_RECORD=1 makes anew, with
// -run 'TestTCP(Goodput)?Linux$', what TCP is compared with in testdata, which
// is what Linux does with Linux over links of ours.
package interop
