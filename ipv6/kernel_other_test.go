//go:build !linux

package ipv6_test

import (
	"net"
	"testing"

	"github.com/seed88948545/vimage"
)

func kernel(t *testing.T, _ ...string) (vimage.Network, *net.Interface) {
	t.Skip("the kernel's answers compared with are Linux's")
	return nil, nil
}
