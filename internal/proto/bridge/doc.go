// Package bridge is a learning Ethernet switch that snoops IGMP and MLD, as a
// pure engine: it is shown a frame and says which ports it must go to.
//
// IEEE 802.1D: learning, ageing, reserved addresses. RFC 4541 §2: reports go to
// router ports only, 224.0.0.0/24 everywhere, multicast where somebody listens to
// that source. RFC 4541 §3: the same for IPv6, where only ff02::1 goes everywhere
// always, and all other groups do as long as no querier is known, since neighbour
// discovery needs them; each family has its own router ports. What ports listen to
// is gmp.Database, by port, with source lists (RFC 3376 §6, RFC 3810 §7); the
// lists of ports by (S,G) are kept up to date with every change, so that a frame
// to 10,000 ports costs no more to decide than one to two.
//
// FilterTable is the other half of a shared wire: which ports' network cards
// accept a frame.
//
// Not done: spanning tree; VLANs (a tag is looked behind, and memberships of all
// VLANs are one); proxying and report suppression, which snooping of IGMPv3 and
// MLDv2 must not do; multicast router discovery (RFC 4286).
package bridge
