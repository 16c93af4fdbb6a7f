package lab

import "io"

func (n *Lab) CaptureAll(w io.Writer) {}
func (n *Lab) EndCapture() error      { return nil }
