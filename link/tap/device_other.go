//go:build !linux

package tap

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/seed88948545/vimage/link"
)

// Device is an open TAP, which there is on Linux only.
type Device struct{}

// Open returns an error that is errors.ErrUnsupported.
func Open(cfg Config) (*Device, error) {
	return nil, fmt.Errorf("tap %s: TAP devices exist on Linux only, this is %s: %w", cfg.Name, runtime.GOOS, errors.ErrUnsupported)
}

// Info implements link.Device.
func (*Device) Info() link.Info { return link.Info{} }

// Read implements link.Device.
func (*Device) Read([][]byte, []link.Meta) (int, error) { return 0, errors.ErrUnsupported }

// Write implements link.Device.
func (*Device) Write([][]byte, []link.Meta) (int, error) { return 0, errors.ErrUnsupported }

// Close implements link.Device.
func (*Device) Close() error { return errors.ErrUnsupported }

// Stats returns zeros.
func (*Device) Stats() Stats { return Stats{} }
