//go:build !linux && !darwin

package ipv4

import "github.com/seed88948545/vimage/internal/socket"

// putControl writes nothing: the control messages of batches are in the
// machine's format, and this one's is not known here. Use ReadFrom.
func putControl([]byte, ControlFlags, *socket.Recv) int { return 0 }

func getControl([]byte) *ControlMessage { return nil }
