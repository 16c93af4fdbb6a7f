package tap

import (
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"syscall"

	"github.com/seed88948545/vimage/link"
	"golang.org/x/sys/unix"
)

// Device is an open TAP.
type Device struct {
	file   *os.File
	conn   syscall.RawConn
	info   link.Info
	closed atomic.Bool
	rx     reader
	tx     writer
	count  counters
}

// reader is what Read keeps between calls: the vector of one frame (header,
// frame, one byte more that tells a frame too long from one that just fits) and
// the batch being filled.
type reader struct {
	step   func(fd uintptr) bool
	frames [][]byte
	meta   []link.Meta
	n      int
	err    error
	hdr    [hdrLen]byte
	spill  [1]byte
	iov    [3][]byte
}

type writer struct {
	step   func(fd uintptr) bool
	frames [][]byte
	meta   []link.Meta
	n      int
	err    error
	hdr    [hdrLen]byte
	iov    [2][]byte
}

type counters struct {
	rxFrames, rxShort, rxTruncated, rxBadHeader atomic.Uint64
	txFrames, txShort, txTooLong, txBadMeta     atomic.Uint64
	txBusy, txDown, txRefused                   atomic.Uint64
}

// Info returns the interface's name, the MTU it had when it was opened, and a
// MAC address for the stack's end that differs from the one the kernel uses on
// its own. GSO is set if the kernel takes super-segments of every kind.
func (d *Device) Info() link.Info { return d.info }

// Stats returns the counters as they are now.
func (d *Device) Stats() Stats {
	c := &d.count
	return Stats{
		RxFrames: c.rxFrames.Load(), RxShort: c.rxShort.Load(), RxTruncated: c.rxTruncated.Load(), RxBadHeader: c.rxBadHeader.Load(),
		TxFrames: c.txFrames.Load(), TxShort: c.txShort.Load(), TxTooLong: c.txTooLong.Load(), TxBadMeta: c.txBadMeta.Load(),
		TxBusy: c.txBusy.Load(), TxDown: c.txDown.Load(), TxRefused: c.txRefused.Load(),
	}
}

// Close releases the interface, which goes away if Open created it. A blocked
// Read returns.
func (d *Device) Close() error {
	if d.closed.Swap(true) {
		return d.closedError()
	}
	if err := d.file.Close(); err != nil {
		return fmt.Errorf("tap %s: %w", d.info.Name, err)
	}
	return nil
}

// Read waits for a frame and returns it with all that are there already, up to
// len(frames). Frames it cannot use are skipped and counted. An interface
// deleted from outside reads as closed: the error is net.ErrClosed and EBADFD.
func (d *Device) Read(frames [][]byte, meta []link.Meta) (int, error) {
	r := &d.rx
	if len(frames) == 0 {
		return 0, nil
	}
	r.frames, r.meta, r.n, r.err = frames, meta, 0, nil
	err := d.conn.Read(r.step)
	r.frames, r.meta = nil, nil
	switch {
	case r.n > 0:
		return r.n, nil
	case d.closed.Load():
		return 0, d.closedError()
	case err != nil:
		// The poller gives up on a descriptor whose interface is gone.
		return 0, d.goneError()
	}
	return 0, r.err
}

// readReady fills the batch with what is there; false asks for a wait.
func (d *Device) readReady(fd uintptr) bool {
	r := &d.rx
	for r.n < len(r.frames) {
		buf := r.frames[r.n]
		r.iov[1] = buf
		n, err := unix.Readv(int(fd), r.iov[:])
		switch err {
		case nil:
			d.accept(buf, n)
		case unix.EINTR:
		case unix.EAGAIN:
			r.iov[1] = nil
			return r.n > 0
		case unix.EBADFD, unix.EIO:
			r.err = d.goneError()
			return true
		default:
			r.err = fmt.Errorf("tap %s: read: %w", d.info.Name, err)
			return true
		}
	}
	r.iov[1] = nil
	return true
}

// accept takes the n bytes just read, header and frame in buf, into the batch.
func (d *Device) accept(buf []byte, n int) {
	r := &d.rx
	n -= hdrLen
	switch {
	case n < etherLen:
		d.count.rxShort.Add(1)
		return
	case n > len(buf):
		d.count.rxTruncated.Add(1)
		return
	}
	m, ok := decode(&r.hdr, buf[:n])
	if !ok {
		d.count.rxBadHeader.Add(1)
		return
	}
	d.count.rxFrames.Add(1)
	r.meta[r.n] = m
	r.n++
}

// Write hands the frames to the kernel and takes all of them: one the kernel
// does not want is lost and counted, as on a wire, and never waited for. The
// only errors are that the device is closed or deleted.
func (d *Device) Write(frames [][]byte, meta []link.Meta) (int, error) {
	w := &d.tx
	w.frames, w.meta, w.n, w.err = frames, meta, 0, nil
	err := d.conn.Write(w.step)
	w.frames, w.meta = nil, nil
	switch {
	case err != nil && d.closed.Load():
		return w.n, d.closedError()
	case err != nil:
		return w.n, d.goneError()
	}
	return w.n, w.err
}

// writeAll writes the batch. It never asks for a wait.
func (d *Device) writeAll(fd uintptr) bool {
	w := &d.tx
	for ; w.n < len(w.frames); w.n++ {
		m := &w.meta[w.n]
		if !d.fits(m, w.frames[w.n]) {
			continue
		}
		w.iov[1] = w.frames[w.n][:m.Len]
		_, err := unix.Writev(int(fd), w.iov[:])
		for err == unix.EINTR {
			_, err = unix.Writev(int(fd), w.iov[:])
		}
		if err == unix.EBADFD {
			w.err = d.goneError()
			break
		}
		d.written(err)
	}
	w.iov[1] = nil
	return true
}

// fits encodes the header of a frame the kernel can take, or counts why not.
func (d *Device) fits(m *link.Meta, buf []byte) bool {
	if m.Len < 0 || m.Len > len(buf) {
		d.count.txBadMeta.Add(1)
		return false
	}
	frame := buf[:m.Len]
	limit := d.info.MTU + linkRoom
	if m.GSO != link.GSONone {
		limit = maxSuper
	}
	switch {
	case len(frame) < etherLen:
		d.count.txShort.Add(1)
	case len(frame) > limit:
		d.count.txTooLong.Add(1)
	case !encode(&d.tx.hdr, m, frame):
		d.count.txBadMeta.Add(1)
	default:
		return true
	}
	return false
}

func (d *Device) written(err error) {
	switch err {
	case nil:
		d.count.txFrames.Add(1)
	case unix.EAGAIN, unix.ENOBUFS, unix.ENOMEM:
		d.count.txBusy.Add(1)
	case unix.EIO:
		d.count.txDown.Add(1)
	default:
		d.count.txRefused.Add(1)
	}
}

func (d *Device) closedError() error {
	return fmt.Errorf("tap %s: %w", d.info.Name, net.ErrClosed)
}

func (d *Device) goneError() error {
	return fmt.Errorf("tap %s: the interface was deleted: %w (%w)", d.info.Name, net.ErrClosed, unix.EBADFD)
}
