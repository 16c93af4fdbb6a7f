module github.com/seed88948545/vimage/interop

go 1.26.0

require (
	github.com/gopacket/gopacket v1.7.7
	github.com/seed88948545/vimage v0.0.0-00010101000000-000000000000
	golang.org/x/net v0.62.0
	golang.org/x/sys v0.49.0
	google.golang.org/grpc v1.85.0
	google.golang.org/protobuf v1.36.12
)

require (
	github.com/gaissmai/bart v0.30.0 // indirect
	golang.org/x/text v0.43.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20260817212433-ac3dfec99bb1 // indirect
)

replace github.com/seed88948545/vimage => ../
