//go:build !linux && !darwin && !freebsd

package ipv6

// putControl writes nothing: the control messages of batches are in the
// machine's format, and this one's is not known here. Use ReadFrom.
func putControl([]byte, ControlFlags, *ControlMessage) int { return 0 }

func getControl([]byte) *ControlMessage { return nil }
