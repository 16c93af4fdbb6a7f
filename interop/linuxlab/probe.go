package linuxlab

import (
	"encoding/binary"
	"time"
)

// ProbeLen is the length of the datagrams that Send sends: the word "vimage",
// a sequence number from 0 and the time of sending in nanoseconds since 1970,
// each of 8 bytes in network order, and zeros.
const ProbeLen = 32

const probeMagic = "vimage"

// PutProbe writes a probe into b[:ProbeLen].
func PutProbe(b []byte, seq uint64, sent time.Time) {
	clear(b[:ProbeLen])
	copy(b, probeMagic)
	binary.BigEndian.PutUint64(b[6:], seq)
	binary.BigEndian.PutUint64(b[14:], uint64(sent.UnixNano()))
}

// ParseProbe reads a probe; ok is false if b is none.
func ParseProbe(b []byte) (seq uint64, sent time.Time, ok bool) {
	if len(b) < ProbeLen || string(b[:6]) != probeMagic {
		return 0, time.Time{}, false
	}
	return binary.BigEndian.Uint64(b[6:]), time.Unix(0, int64(binary.BigEndian.Uint64(b[14:]))), true
}
