package wire

import (
	"encoding/binary"
	"fmt"
	"os"
)

// readPcap returns the frames of a classic libpcap file of Ethernet frames, as
// a little-endian machine writes it with microseconds.
func readPcap(path string) ([][]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	const linkEthernet = 1
	le := binary.LittleEndian
	if len(b) < 24 || le.Uint32(b) != 0xa1b2c3d4 || le.Uint32(b[20:]) != linkEthernet {
		return nil, fmt.Errorf("%s: not a little-endian Ethernet pcap file", path)
	}
	var frames [][]byte
	for b = b[24:]; len(b) > 0; {
		if len(b) < 16 {
			return nil, fmt.Errorf("%s: frame %d: short record header", path, len(frames)+1)
		}
		captured, original := le.Uint32(b[8:]), le.Uint32(b[12:])
		b = b[16:]
		if captured != original || uint64(captured) > uint64(len(b)) {
			return nil, fmt.Errorf("%s: frame %d is cut", path, len(frames)+1)
		}
		frames = append(frames, b[:captured:captured])
		b = b[captured:]
	}
	return frames, nil
}
