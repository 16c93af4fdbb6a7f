package filter

import "strings"

// Transports a service name stands for.
const (
	overTCP = 1 << iota
	overUDP
)

// serviceOf returns the port of a well-known service and the transports it is
// known on (IANA, service names and port numbers).
func serviceOf(name string) (port uint32, over uint8, ok bool) {
	const both = overTCP | overUDP
	services := [...]struct {
		names string // each between spaces
		port  uint32
		over  uint8
	}{
		{" tcpmux ", 1, overTCP}, {" echo ", 7, both}, {" discard ", 9, both}, {" systat ", 11, overTCP}, {" daytime ", 13, both},
		{" netstat ", 15, overTCP}, {" qotd ", 17, overTCP}, {" chargen ", 19, both}, {" ftp-data ", 20, overTCP},
		{" ftp ", 21, overTCP}, {" ssh ", 22, overTCP}, {" telnet ", 23, overTCP}, {" smtp mail ", 25, overTCP}, {" time ", 37, both},
		{" whois nicname ", 43, overTCP}, {" tacacs ", 49, both}, {" domain ", 53, both}, {" bootps ", 67, overUDP},
		{" bootpc ", 68, overUDP}, {" tftp ", 69, overUDP}, {" gopher ", 70, overTCP}, {" finger ", 79, overTCP},
		{" http www ", 80, overTCP}, {" kerberos ", 88, both}, {" pop3 pop-3 ", 110, overTCP}, {" sunrpc portmapper ", 111, both},
		{" auth ident ", 113, overTCP}, {" nntp ", 119, overTCP}, {" ntp ", 123, overUDP}, {" epmap loc-srv ", 135, overTCP},
		{" netbios-ns ", 137, overUDP}, {" netbios-dgm ", 138, overUDP}, {" netbios-ssn ", 139, overTCP},
		{" imap2 imap ", 143, overTCP}, {" snmp ", 161, both}, {" snmp-trap snmptrap ", 162, both}, {" xdmcp ", 177, overUDP},
		{" bgp ", 179, overTCP}, {" ptp-event ", 319, overUDP}, {" ptp-general ", 320, overUDP}, {" ldap ", 389, both},
		{" svrloc ", 427, both}, {" https ", 443, both}, {" microsoft-ds ", 445, overTCP}, {" kpasswd ", 464, both},
		{" submissions ", 465, overTCP}, {" isakmp ", 500, overUDP}, {" exec ", 512, overTCP}, {" biff ", 512, overUDP},
		{" login ", 513, overTCP}, {" who ", 513, overUDP}, {" shell ", 514, overTCP}, {" syslog ", 514, both}, {" printer ", 515, overTCP},
		{" talk ", 517, overUDP}, {" ntalk ", 518, overUDP}, {" route ", 520, overUDP}, {" dhcpv6-client ", 546, overUDP},
		{" dhcpv6-server ", 547, overUDP}, {" rtsp ", 554, both}, {" nntps ", 563, overTCP}, {" submission ", 587, overTCP},
		{" ipp ", 631, overTCP}, {" ldaps ", 636, both}, {" ldp ", 646, both}, {" domain-s ", 853, both}, {" rsync ", 873, overTCP},
		{" ftps-data ", 989, overTCP}, {" ftps ", 990, overTCP}, {" telnets ", 992, overTCP}, {" imaps ", 993, overTCP},
		{" pop3s ", 995, overTCP}, {" socks ", 1080, overTCP}, {" openvpn ", 1194, both}, {" ms-sql-s ", 1433, overTCP},
		{" l2f l2tp ", 1701, overUDP}, {" radius ", 1812, both}, {" radius-acct ", 1813, both}, {" nfs ", 2049, both},
		{" mysql ", 3306, overTCP}, {" ms-wbt-server ", 3389, overTCP}, {" svn ", 3690, overTCP}, {" ipsec-nat-t ", 4500, overUDP},
		{" iax ", 4569, overUDP}, {" sip ", 5060, both}, {" sip-tls ", 5061, both}, {" xmpp-client ", 5222, overTCP},
		{" xmpp-server ", 5269, overTCP}, {" mdns ", 5353, overUDP}, {" postgresql ", 5432, overTCP}, {" amqps ", 5671, overTCP},
		{" x11 ", 6000, overTCP}, {" redis ", 6379, overTCP}, {" syslog-tls ", 6514, overTCP}, {" ircd ", 6667, overTCP},
		{" babel ", 6696, overUDP}, {" http-alt ", 8080, overTCP}, {" git ", 9418, overTCP},
	}
	for _, s := range services {
		if strings.Contains(s.names, " "+name+" ") {
			return s.port, s.over, true
		}
	}
	return 0, 0, false
}
