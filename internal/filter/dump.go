package filter

import (
	"fmt"
	"io"

	"golang.org/x/net/bpf"
)

// Dump writes the program as text, an instruction a line, as "tcpdump -d" does.
func (p *Program) Dump(w io.Writer) error {
	for i, ins := range p.code {
		var err error
		switch ins := ins.(type) {
		case bpf.JumpIf:
			_, err = fmt.Fprintf(w, "(%03d) %-8s #0x%-14x jt %d\tjf %d\n", i, mnemonic(ins.Cond), ins.Val, i+1+int(ins.SkipTrue), i+1+int(ins.SkipFalse))
		case bpf.JumpIfX:
			_, err = fmt.Fprintf(w, "(%03d) %-8s %-17s jt %d\tjf %d\n", i, mnemonic(ins.Cond), "x", i+1+int(ins.SkipTrue), i+1+int(ins.SkipFalse))
		case bpf.Jump:
			_, err = fmt.Fprintf(w, "(%03d) %-8s %d\n", i, "ja", i+1+int(ins.Skip))
		case bpf.LoadExtension:
			_, err = fmt.Fprintf(w, "(%03d) %-8s #pktlen\n", i, "ld")
		default:
			_, err = fmt.Fprintf(w, "(%03d) %v\n", i, ins)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func mnemonic(c bpf.JumpTest) string {
	switch c {
	case bpf.JumpGreaterThan:
		return "jgt"
	case bpf.JumpGreaterOrEqual:
		return "jge"
	case bpf.JumpBitsSet:
		return "jset"
	}
	return "jeq"
}

// DumpNumbers writes the program as decimal numbers, as "tcpdump -ddd" does:
// how many instructions there are, then code, jt, jf and k of each.
func (p *Program) DumpNumbers(w io.Writer) error {
	raw, err := bpf.Assemble(p.code)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(w, len(raw)); err != nil {
		return err
	}
	for _, r := range raw {
		if _, err := fmt.Fprintln(w, r.Op, r.Jt, r.Jf, r.K); err != nil {
			return err
		}
	}
	return nil
}
