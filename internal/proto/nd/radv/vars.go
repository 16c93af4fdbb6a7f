package radv

// Stats count what the routers of one stack have sent and heard.
type Stats struct {
	Sent         uint64 `stat:"rtadvd.sent"`         // advertisements given out by Next
	Unicast      uint64 `stat:"rtadvd.unicast"`      // of them, to one host
	Solicits     uint64 `stat:"rtadvd.solicits"`     // solicitations that were taken
	Adverts      uint64 `stat:"rtadvd.adverts"`      // advertisements of other routers
	Inconsistent uint64 `stat:"rtadvd.inconsistent"` // of them, saying otherwise than we do
	BadSource    uint64 `stat:"rtadvd.badsource"`    // their source is impossible
	BadHopLimit  uint64 `stat:"rtadvd.badhoplimit"`  // they may have crossed a router
	Fragments    uint64 `stat:"rtadvd.fragments"`    // they came in fragments
}
