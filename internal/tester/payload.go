package tester

import (
	"encoding/binary"
	"hash/fnv"
	"os"
	"time"
)

// PayloadLen is how long a payload is at least.
const PayloadLen = 32

// MaxPayload is the longest, that of a datagram of IPv4 (RFC 768, RFC 791).
const MaxPayload = 65507

// magic begins every payload of ours.
const magic = "vmc1"

// Payload is what a datagram tells of itself.
type Payload struct {
	Clock  uint32 // differs where the time is another clock's
	Sender uint32
	Seq    uint64 // 0: a beacon, which is not counted
	Sent   int64  // Unix nanoseconds
}

// PutPayload writes p to the first PayloadLen bytes of b.
func PutPayload(b []byte, p Payload) {
	copy(b, magic)
	binary.BigEndian.PutUint32(b[4:], p.Clock)
	binary.BigEndian.PutUint32(b[8:], p.Sender)
	binary.BigEndian.PutUint32(b[12:], 0)
	binary.BigEndian.PutUint64(b[16:], p.Seq)
	binary.BigEndian.PutUint64(b[24:], uint64(p.Sent))
}

// ParsePayload reads a payload; false for bytes that are none of ours.
func ParsePayload(b []byte) (Payload, bool) {
	if len(b) < PayloadLen || string(b[:len(magic)]) != magic {
		return Payload{}, false
	}
	return Payload{
		Clock:  binary.BigEndian.Uint32(b[4:]),
		Sender: binary.BigEndian.Uint32(b[8:]),
		Seq:    binary.BigEndian.Uint64(b[16:]),
		Sent:   int64(binary.BigEndian.Uint64(b[24:])),
	}, true
}

// ClockOf returns the word that stands for the clock a test's time comes from:
// the machine's, by what its kernel calls this run of it, or its name; a
// simulated one, by its seed.
func ClockOf(virtual bool, seed uint64) uint32 {
	h := fnv.New32a()
	if virtual {
		h.Write(binary.BigEndian.AppendUint64([]byte("simulated"), seed))
		return h.Sum32()
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		name, _ := os.Hostname() // two machines without either are one
		boot = []byte(name)
	}
	h.Write(boot)
	return h.Sum32()
}

// delay returns how long a datagram was under way; false where it was sent by
// another clock.
func (p *Payload) delay(clock uint32, now time.Time) (time.Duration, bool) {
	return time.Duration(now.UnixNano() - p.Sent), p.Clock == clock
}
