package wire

// Fault says what is wrong with bytes that a Parse function refused. The zero
// value, OK, means that nothing is.
type Fault uint8

// The faults a Parse function may return.
const (
	OK          Fault = iota // the view may be used
	Short                    // fewer bytes than the fixed header
	BadVersion               // version field of another protocol
	BadHdrLen                // header length below its minimum or beyond the bytes
	BadLength                // declared total or payload length does not fit
	BadOption                // option runs past the header or has an impossible length
	BadType                  // type or code that the format does not define
	BadHardware              // hardware or protocol type and size that are not Ethernet and IPv4
)

var faultNames = [...]string{
	OK: "ok", Short: "too short", BadVersion: "bad version", BadHdrLen: "bad header length",
	BadLength: "bad length", BadOption: "bad option", BadType: "bad type", BadHardware: "bad hardware type",
}

// String names the fault as counters and traces show it.
func (f Fault) String() string {
	if int(f) < len(faultNames) {
		return faultNames[f]
	}
	return "unknown fault"
}
