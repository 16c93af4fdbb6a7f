module github.com/seed88948545/vimage/bench

go 1.26.0

replace github.com/seed88948545/vimage => ../

require (
	github.com/seed88948545/vimage v0.0.0-00010101000000-000000000000
	github.com/vishvananda/netlink v1.3.1
	golang.org/x/sys v0.49.0
	gvisor.dev/gvisor v0.0.0-20260224225140-573d5e7127a8 // of its branch go, as it asks importers to
)

require github.com/gaissmai/bart v0.30.0

require (
	github.com/google/btree v1.1.2 // indirect
	github.com/vishvananda/netns v0.0.5 // indirect
	golang.org/x/exp v0.0.0-20231110203233-9a3e6036ecaa // indirect
	golang.org/x/net v0.62.0 // indirect
	golang.org/x/time v0.12.0 // indirect
)
