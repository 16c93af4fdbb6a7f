package dns

import "strings"

// IsName tells whether s can be the name of a host, with a dot at its end or
// without: labels of 1 to 63 bytes, 253 in all (RFC 1035 §2.3.4), of letters,
// digits, hyphens and, because they are used, underscores.
func IsName(s string) bool {
	s = strings.TrimSuffix(s, ".")
	if len(s) == 0 || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if len(label) == 0 || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			letter := 'a' <= c|0x20 && c|0x20 <= 'z'
			if !letter && (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}

// Names returns the names to ask for, in order, where somebody asks for host: as
// it is if it ends in a dot; else with each domain of the search list added, and
// as it is, before those if it has at least ndots dots and after them if not.
func Names(host string, search []string, ndots int) []string {
	if strings.HasSuffix(host, ".") {
		return []string{host}
	}
	var all []string
	asIs := host + "."
	first := strings.Count(host, ".") >= ndots
	if first {
		all = append(all, asIs)
	}
	for _, domain := range search {
		all = append(all, asIs+strings.TrimSuffix(domain, ".")+".")
	}
	if !first {
		all = append(all, asIs)
	}
	return all
}
