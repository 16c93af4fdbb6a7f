// Package tap is a link.Device behind which stands the Linux kernel: whatever
// is written arrives on a TAP interface, and what the kernel, or a bridge the
// interface is a port of, sends out of it is read.
//
// The device speaks vnet_hdr, so super-segments (GSO) and frames whose
// checksum is not complete pass in both directions as they are. A frame read
// as a super-segment may have the TCP flag CWR set; whoever cuts it leaves CWR
// in the first segment only (RFC 3168 §6.1.2).
//
// Opening a TAP that exists and belongs to the user needs no privilege;
// creating one needs CAP_NET_ADMIN. The kernel's side is configured with the
// usual tools, the package brings nothing up and sets no address. On other
// operating systems Open returns an error.
//
// Not done: several queues, TUN (layer 3) devices, tunnelled GSO.
package tap
