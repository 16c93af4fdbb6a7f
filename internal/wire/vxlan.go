package wire

import "encoding/binary"

// VXLANPort is the port that VXLAN has of UDP, VXLANLen the length of its header, and
// MaxVNI the greatest identifier of a network.
const (
	VXLANPort uint16 = 4789
	VXLANLen         = 8
	MaxVNI           = 1<<24 - 1
)

// vxlanI is the flag that says that the identifier counts. It must be set; the other
// bits are ignored on receipt (RFC 7348 §5).
const vxlanI = 0x08

// VXLAN is a view of the payload of a VXLAN datagram: header and Ethernet frame.
//
//	 0               8               16              24
//	+-+-+-+-+-+-+-+-+-----------------------------------------------+
//	|R|R|R|R|I|R|R|R|                   reserved                    |
//	+---------------+-------------------------------+---------------+
//	|            VXLAN network identifier           |   reserved    |
//	+-----------------------------------------------+---------------+
type VXLAN []byte

// ParseVXLAN checks that b holds a header with a valid identifier.
func ParseVXLAN(b []byte) (VXLAN, Fault) {
	if len(b) < VXLANLen {
		return nil, Short
	}
	if b[0]&vxlanI == 0 {
		return nil, BadType
	}
	return b, OK
}

// VNI returns the identifier of the network.
func (v VXLAN) VNI() uint32 { return binary.BigEndian.Uint32(v[4:8]) >> 8 }

// Payload returns the frame.
func (v VXLAN) Payload() []byte { return v[VXLANLen:] }

// PutVXLAN writes a header for the network vni into b[:VXLANLen].
func PutVXLAN(b []byte, vni uint32) {
	binary.BigEndian.PutUint32(b[0:4], vxlanI<<24)
	binary.BigEndian.PutUint32(b[4:8], vni<<8)
}
