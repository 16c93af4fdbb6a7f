package filter

// key is a word of the language.
type key uint8

// Words that are not protocols.
const (
	kNone key = iota
	kAnd
	kOr
	kNot
	kSrc
	kDst
	kHost
	kNet
	kMask
	kPort
	kPortRange
	kProto
	kProtoChain
	kGateway
	kLess
	kGreater
	kBroadcast
	kMulticast
	kLen
	kVLAN
	kMPLS
	kPPPoED
	kPPPoES
	kGeneve
	kLLC
	kInbound
	kOutbound
	kIfIndex
	kForeign // of another link layer, or of pf's log
)

// Words that are protocols.
const (
	pDefault key = iota + 64
	pLink
	pIP
	pIP6
	pARP
	pRARP
	pTCP
	pUDP
	pSCTP
	pICMP
	pICMP6
	pIGMP
	pIGRP
	pPIM
	pVRRP
	pCARP
	pAH
	pESP
	pATalk
	pAARP
	pDECnet
	pLAT
	pSCA
	pMOPRC
	pMOPDL
	pSTP
	pIPX
	pNetBEUI
	pISO
	pCLNP
	pESIS
	pISIS
	pL1
	pL2
	pIIH
	pLSP
	pSNP
	pCSNP
	pPSNP
	pRadio
)

func (k key) isProto() bool { return k > pDefault }

// keyOf returns the meaning of a word of the language.
func keyOf(s string) (key, bool) {
	k := kNone
	switch s {
	case "and":
		k = kAnd
	case "or":
		k = kOr
	case "not":
		k = kNot
	case "src":
		k = kSrc
	case "dst":
		k = kDst
	case "host":
		k = kHost
	case "net":
		k = kNet
	case "mask":
		k = kMask
	case "port":
		k = kPort
	case "portrange":
		k = kPortRange
	case "proto":
		k = kProto
	case "protochain":
		k = kProtoChain
	case "gateway":
		k = kGateway
	case "less":
		k = kLess
	case "greater":
		k = kGreater
	case "broadcast":
		k = kBroadcast
	case "multicast":
		k = kMulticast
	case "len", "length":
		k = kLen
	case "vlan":
		k = kVLAN
	case "mpls":
		k = kMPLS
	case "pppoed":
		k = kPPPoED
	case "pppoes":
		k = kPPPoES
	case "geneve":
		k = kGeneve
	case "llc":
		k = kLLC
	case "inbound":
		k = kInbound
	case "outbound":
		k = kOutbound
	case "ifindex":
		k = kIfIndex
	default:
		if k = protoKey(s); k == kNone && isForeign(s) {
			k = kForeign
		}
	}
	return k, k != kNone
}

// protoKey returns the protocol of that name, or kNone.
func protoKey(s string) key {
	names := [...]struct {
		name string
		k    key
	}{
		{"ether", pLink}, {"link", pLink}, {"ppp", pLink}, {"slip", pLink}, {"fddi", pLink}, {"tr", pLink}, {"wlan", pLink},
		{"ip", pIP}, {"ip6", pIP6}, {"arp", pARP}, {"rarp", pRARP},
		{"tcp", pTCP}, {"udp", pUDP}, {"sctp", pSCTP}, {"icmp", pICMP}, {"icmp6", pICMP6}, {"igmp", pIGMP}, {"igrp", pIGRP},
		{"pim", pPIM}, {"vrrp", pVRRP}, {"carp", pCARP}, {"ah", pAH}, {"esp", pESP},
		{"atalk", pATalk}, {"aarp", pAARP}, {"decnet", pDECnet}, {"lat", pLAT}, {"sca", pSCA}, {"moprc", pMOPRC}, {"mopdl", pMOPDL},
		{"stp", pSTP}, {"ipx", pIPX}, {"netbeui", pNetBEUI},
		{"iso", pISO}, {"clnp", pCLNP}, {"esis", pESIS}, {"es-is", pESIS}, {"isis", pISIS}, {"is-is", pISIS},
		{"l1", pL1}, {"l2", pL2}, {"iih", pIIH}, {"lsp", pLSP}, {"snp", pSNP}, {"csnp", pCSNP}, {"psnp", pPSNP},
		{"radio", pRadio},
	}
	for _, n := range names {
		if n.name == s {
			return n.k
		}
	}
	return kNone
}

// isForeign knows the words that mean something only where we do not capture.
func isForeign(s string) bool {
	switch s {
	case "type", "subtype", "direction", "dir", "ra", "ta", "addr1", "addr2", "addr3", "addr4",
		"address1", "address2", "address3", "address4", "byte",
		"lane", "metac", "bcc", "sc", "ilmic", "oam", "oamf4", "oamf4ec", "oamf4sc", "connectmsg", "metaconnect", "vpi", "vci",
		"on", "ifname", "rset", "ruleset", "rnr", "rulenum", "srnr", "subrulenum", "reason", "action",
		"fisu", "lssu", "lsu", "msu", "hfisu", "hlssu", "hmsu", "sio", "opc", "dpc", "sls", "hsio", "hopc", "hdpc", "hsls":
		return true
	}
	return false
}

// constantOf returns the value of a named field offset or value.
func constantOf(s string) (uint32, bool) {
	names := [...]struct {
		name  string
		value uint32
	}{
		{"icmptype", 0}, {"icmpcode", 1}, {"icmp6type", 0}, {"icmp6code", 1}, {"tcpflags", 13},

		{"icmp-echoreply", 0}, {"icmp-unreach", 3}, {"icmp-sourcequench", 4}, {"icmp-redirect", 5}, {"icmp-echo", 8},
		{"icmp-routeradvert", 9}, {"icmp-routersolicit", 10}, {"icmp-timxceed", 11}, {"icmp-paramprob", 12},
		{"icmp-tstamp", 13}, {"icmp-tstampreply", 14}, {"icmp-ireq", 15}, {"icmp-ireqreply", 16},
		{"icmp-maskreq", 17}, {"icmp-maskreply", 18},

		{"icmp6-destinationunreach", 1}, {"icmp6-packettoobig", 2}, {"icmp6-timeexceeded", 3}, {"icmp6-parameterproblem", 4},
		{"icmp6-echo", 128}, {"icmp6-echoreply", 129}, {"icmp6-multicastlistenerquery", 130},
		{"icmp6-multicastlistenerreportv1", 131}, {"icmp6-multicastlistenerdone", 132}, {"icmp6-routersolicit", 133},
		{"icmp6-routeradvert", 134}, {"icmp6-neighborsolicit", 135}, {"icmp6-neighboradvert", 136}, {"icmp6-redirect", 137},
		{"icmp6-routerrenum", 138}, {"icmp6-nodeinformationquery", 139}, {"icmp6-nodeinformationresponse", 140},
		{"icmp6-ineighbordiscoverysolicit", 141}, {"icmp6-ineighbordiscoveryadvert", 142},
		{"icmp6-multicastlistenerreportv2", 143}, {"icmp6-homeagentdiscoveryrequest", 144},
		{"icmp6-homeagentdiscoveryreply", 145}, {"icmp6-mobileprefixsolicit", 146}, {"icmp6-mobileprefixadvert", 147},
		{"icmp6-certpathsolicit", 148}, {"icmp6-certpathadvert", 149}, {"icmp6-multicastrouteradvert", 151},
		{"icmp6-multicastroutersolicit", 152}, {"icmp6-multicastrouterterm", 153},

		{"tcp-fin", 0x01}, {"tcp-syn", 0x02}, {"tcp-rst", 0x04}, {"tcp-push", 0x08},
		{"tcp-ack", 0x10}, {"tcp-urg", 0x20}, {"tcp-ece", 0x40}, {"tcp-cwr", 0x80},
	}
	for _, n := range names {
		if n.name == s {
			return n.value, true
		}
	}
	return 0, false
}

// etherTypeOf returns the number that "ether proto" means by a name.
func etherTypeOf(s string) (uint32, bool) {
	if s == "loopback" {
		return 0x9000, true
	}
	switch k := protoKey(s); k {
	case pIP, pIP6, pARP, pRARP, pATalk, pAARP, pDECnet, pLAT, pSCA, pMOPRC, pMOPDL, pSTP, pIPX, pNetBEUI, pISO:
		return linkNumber(k), true
	}
	return 0, false
}

// linkNumber returns the EtherType of a protocol, or its LLC service access
// point, which is at most 255.
func linkNumber(k key) uint32 {
	switch k {
	case pIP:
		return typeIPv4
	case pIP6:
		return typeIPv6
	case pARP:
		return typeARP
	case pRARP:
		return typeRARP
	case pATalk:
		return typeATalk
	case pAARP:
		return typeAARP
	case pDECnet:
		return 0x6003
	case pLAT:
		return 0x6004
	case pSCA:
		return 0x6007
	case pMOPRC:
		return 0x6002
	case pMOPDL:
		return 0x6001
	case pSTP:
		return sapSTP
	case pIPX:
		return sapIPX
	case pNetBEUI:
		return sapNetBEUI
	case pISO:
		return sapISO
	}
	return 0
}

// ipProtoOf returns the number of a protocol over IP (IANA, protocol numbers).
func ipProtoOf(s string) (uint32, bool) {
	names := [...]struct {
		name   string
		number uint32
	}{
		{"ip", 0}, {"hopopt", 0}, {"icmp", 1}, {"igmp", 2}, {"ggp", 3}, {"ipencap", 4}, {"st", 5}, {"tcp", 6}, {"egp", 8},
		{"igp", 9}, {"pup", 12}, {"udp", 17}, {"hmp", 20}, {"rdp", 27}, {"dccp", 33}, {"ddp", 37}, {"ipv6", 41},
		{"ipv6-route", 43}, {"ipv6-frag", 44}, {"idrp", 45}, {"rsvp", 46}, {"gre", 47}, {"esp", 50}, {"ah", 51}, {"skip", 57},
		{"ipv6-icmp", 58}, {"ipv6-nonxt", 59}, {"ipv6-opts", 60}, {"eigrp", 88}, {"ospf", 89}, {"ipip", 94}, {"etherip", 97},
		{"encap", 98}, {"pim", 103}, {"ipcomp", 108}, {"vrrp", 112}, {"l2tp", 115}, {"isis", 124}, {"sctp", 132}, {"fc", 133},
		{"mobility-header", 135}, {"udplite", 136}, {"mpls-in-ip", 137}, {"manet", 138}, {"hip", 139}, {"shim6", 140},
		{"wesp", 141}, {"rohc", 142},
	}
	for _, n := range names {
		if n.name == s {
			return n.number, true
		}
	}
	return 0, false
}
