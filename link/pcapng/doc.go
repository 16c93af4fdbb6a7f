// Package pcapng writes and reads captures of many interfaces in the pcapng format
// (draft-ietf-opsawg-pcapng), which Wireshark, tshark and tcpdump read.
//
// A file has one section, little-endian, with a description of each interface,
// a packet block with nanosecond time for each packet and, at the end, a
// statistics block for each interface. Nothing of the machine or the moment
// gets into it unless given: the same calls make the same bytes.
//
// NewRing spreads a capture over several files, each complete in itself.
//
// Reader reads what anybody wrote, and classic pcap files, within limits.
//
// Not done: writing several sections, name resolution and decryption secrets
// blocks, custom options.
package pcapng
