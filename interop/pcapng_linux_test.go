package interop

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gopacket/gopacket/pcapgo"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/interop/ns"
	"github.com/seed88948545/vimage/link/pcapng"
)

// when is a time whose nanoseconds all count.
const when int64 = 1_700_000_000_123_456_789

// udpFrame is a whole, correct frame, so that a tool has nothing to say of it.
func udpFrame(payload string) []byte {
	src, dst := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	f := make([]byte, 42+len(payload))
	wire.PutEther(f, wire.MAC{2, 0, 0, 0, 0, 2}, wire.MAC{2, 0, 0, 0, 0, 1}, wire.EtherTypeIPv4)
	wire.PutIPv4(f[14:], &wire.IPv4Header{TTL: 64, Proto: wire.ProtoUDP, Src: src, Dst: dst}, 8+len(payload))
	wire.PutUDP(f[34:], 4000, 4001, len(payload))
	copy(f[42:], payload)
	wire.UDP(f[34:]).SetChecksum(src, dst)
	return f
}

func writeCapture(w io.Writer, frame []byte) error {
	c := pcapng.NewWriter(w, pcapng.Section{Application: "vimage", Comment: "a test"})
	r1 := c.AddInterface(pcapng.Interface{
		Name: "r1:eth0", Description: "to h1", MAC: net.HardwareAddr{2, 0, 0, 0, 0, 1},
		Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24"), netip.MustParsePrefix("fd00::1/64")},
	})
	r2 := c.AddInterface(pcapng.Interface{Name: "r2:eth0", SnapLen: 40})
	c.WritePacket(r1, pcapng.Packet{Time: when, Dir: pcapng.Out, Comment: "drop: no route to host"}, frame)
	c.WritePacket(r2, pcapng.Packet{Time: when + 1, Dir: pcapng.In}, frame)
	c.Lost(r2, 3)
	c.WritePacket(r2, pcapng.Packet{Time: when + 2}, frame)
	return c.Close()
}

// TestPcapngReadByGopacket reads a capture with another author's reader.
func TestPcapngReadByGopacket(t *testing.T) {
	frame := udpFrame("hello")
	var buf bytes.Buffer
	if err := writeCapture(&buf, frame); err != nil {
		t.Fatal(err)
	}
	r, err := pcapgo.NewNgReader(&buf, pcapgo.NgReaderOptions{WantMixedLinkType: true})
	if err != nil {
		t.Fatal(err)
	}
	if s := r.SectionInfo(); s.Application != "vimage" || s.Comment != "a test" {
		t.Errorf("section %+v", s)
	}
	type packet struct {
		iface, length, kept int
		at                  int64
		comments            string
		flags               uint32
		drops               uint64
	}
	for i, want := range []packet{
		{iface: 0, length: len(frame), kept: len(frame), at: when, comments: "drop: no route to host", flags: 2},
		{iface: 1, length: len(frame), kept: 40, at: when + 1, flags: 1},
		{iface: 1, length: len(frame), kept: 40, at: when + 2, drops: 3},
	} {
		data, ci, opts, err := r.ReadPacketDataWithOptions()
		if err != nil {
			t.Fatal(err)
		}
		got := packet{
			iface: ci.InterfaceIndex, length: ci.Length, kept: ci.CaptureLength, at: ci.Timestamp.UnixNano(),
			comments: strings.Join(opts.Comments, "|"),
		}
		if opts.Flags != nil {
			got.flags = opts.Flags.ToUint32()
		}
		if opts.DropCount != nil {
			got.drops = *opts.DropCount
		}
		if got != want || !bytes.Equal(data, frame[:want.kept]) {
			t.Errorf("packet %d is read as %+v, want %+v", i, got, want)
		}
	}
	if _, _, err := r.ReadPacketData(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	i, err := r.Interface(0)
	if err != nil || i.Name != "r1:eth0" || i.Description != "to h1" {
		t.Errorf("interface 0: %+v, %v", i, err)
	}
	for id, want := range [][2]uint64{{1, 0}, {5, 3}} {
		i, err := r.Interface(id)
		if err != nil {
			t.Fatal(err)
		}
		if s := i.Statistics; s.PacketsReceived != want[0] || s.PacketsDropped != want[1] || s.LastUpdate.UnixNano() != when+2*int64(id) {
			t.Errorf("interface %d: %+v", id, s)
		}
	}
}

// TestPcapngReadByTshark has Wireshark's own reader show the fields.
func TestPcapngReadByTshark(t *testing.T) {
	if _, err := exec.LookPath("tshark"); err != nil {
		ns.Missing(t, "tshark is not installed")
	}
	file := filepath.Join(t.TempDir(), "capture.pcapng")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := writeCapture(f, udpFrame("hello")); err != nil {
		t.Fatal(err)
	}
	f.Close()
	cmd := exec.Command("tshark", "-n", "-r", file, "-T", "fields", "-E", "separator=;",
		"-e", "frame.interface_name", "-e", "frame.time_epoch", "-e", "frame.len", "-e", "frame.cap_len",
		"-e", "frame.packet_flags_direction", "-e", "frame.comment", "-e", "frame.drop_count", "-e", "udp.dstport")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	for _, l := range strings.Split(stderr.String(), "\n") {
		if l != "" && !strings.HasPrefix(l, "Running as user") {
			t.Errorf("tshark says: %s", l)
		}
	}
	const want = "r1:eth0;1700000000.123456789;47;47;0x00000002;drop: no route to host;;4001\n" +
		"r2:eth0;1700000000.123456790;47;40;0x00000001;;;4001\n" +
		"r2:eth0;1700000000.123456791;47;40;;;3;4001\n"
	if string(out) != want {
		t.Errorf("tshark reads\n%s, want\n%s", out, want)
	}
}
