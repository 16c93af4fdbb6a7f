// Package bridge is a learning Ethernet switch that snoops IGMP and MLD, as a
// pure engine: it is shown a frame and says which ports it must go to. Told to, it
// asks hosts itself: Next writes what it has to say.
//
// IEEE 802.1D: learning, ageing, reserved addresses. What ports listen to is
// gmp.Database, by port, with source lists (RFC 3376 §6, RFC 3810 §7); the lists of
// ports by (S,G) are kept up to date with every change, so that a frame to 10,000
// ports costs no more to decide than one to two.
//
// RFC 4541, item by item; a transcript in testdata has the number of each:
//
//	§2.1.1, 1   reports go to router ports only, or where PortOptions.FloodReports
//	       1a   routers known by RFC 4286 advertisements, PIM hellos, DVMRP probes
//	       1b   by queries whose source is not 0.0.0.0 or ::
//	       1c   by configuration: RouterAlways, RouterNever
//	       2    reports from 0.0.0.0 and :: count
//	       3    IGMP that is not understood goes everywhere, unread; versions are
//	            told apart by length and code (package wire)
//	       4    a port that goes is forgotten; Refresh has ports asked, in the words
//	            of the querier if that speaks version 3, from 0.0.0.0 or ::
//	       5    damaged IGMP and MLD, and what is behind a damaged header, is
//	            neither believed nor sent on, and counted
//	       6    memberships end by time: Tunables.MemberAge, or the querier's
//	            Group Membership Interval
//	§2.1.2, 1   data goes to members of (S,G) and to router ports
//	       2    to 224.0.0.0/24 everywhere
//	       3    unregistered groups to router ports and where
//	            PortOptions.FloodUnknown, or everywhere: Tunables.FloodUnknown
//	       4    what is no IP of the family everywhere
//	       5    groups are told apart by IP address, not by MAC
//	       6    a damaged IPv4 header is dropped
//	       7    the superset of what the hosts of a port want
//	§3          the same for IPv6, where only ff02::1 goes everywhere always, and
//	            all groups do as long as no querier is known, since neighbour
//	            discovery needs them; each family has its own router ports; version
//	            and length of the header are checked; of ICMPv6 only MLD is snooped
//
// With SetQuerier the switch asks where no router does (RFC 3376 §6.6): it takes
// part in the election, from 0.0.0.0 below everybody, and asks about leaves at the
// port they came from.
//
// Hosts of several versions at one port: RFC 3376 §7.3.2, RFC 3810 §8.3.2, in
// package gmp.
//
// FilterTable is the other half of a shared wire: which ports' network cards
// accept a frame.
//
// Not done: spanning tree; VLANs (up to two tags are looked behind, and
// memberships of all VLANs are one); proxying and report suppression, which
// snooping of IGMPv3 and MLDv2 must not do; solicitations and terminations of RFC
// 4286, without which routers are known later, and forgotten later; hold times of
// PIM hellos; queriers that speak an older version for the switch's own queries.
package bridge
