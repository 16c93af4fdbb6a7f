module github.com/seed88948545/vimage

go 1.26.0

require (
	github.com/gaissmai/bart v0.30.0
	golang.org/x/sys v0.49.0
)

require golang.org/x/net v0.62.0
