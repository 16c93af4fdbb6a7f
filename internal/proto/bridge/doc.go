// Package bridge is a learning Ethernet switch that snoops IGMP, as a pure
// engine: it is shown a frame and says which ports it must go to.
//
// IEEE 802.1D: learning, ageing, reserved addresses. RFC 4541 §2: reports go to
// router ports only, 224.0.0.0/24 everywhere, multicast where somebody listens to
// that source. What ports listen to is igmp.Database, by port, with source lists
// (RFC 3376 §6); the lists of ports by (S,G) are kept up to date with every
// change, so that a frame to 10,000 ports costs no more to decide than one to
// two.
//
// FilterTable is the other half of a shared wire: which ports' network cards
// accept a frame.
//
// Not done: spanning tree; VLANs (a tag is looked behind, and memberships of all
// VLANs are one); MLD (IPv6 multicast is flooded); proxying and report
// suppression, which IGMPv3 snooping must not do.
package bridge
