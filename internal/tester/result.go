package tester

// Result is what was measured, as --json prints it. Delays are in milliseconds.
type Result struct {
	Where      string   `json:"where"` // lab, wire, or network (one that was there)
	Time       string   `json:"time"`  // real or simulated
	Seed       uint64   `json:"seed"`
	Hosts      int      `json:"hosts"`
	Groups     string   `json:"groups"`
	Mode       string   `json:"mode"`
	Sources    []string `json:"sources"` // of the filter
	Senders    []string `json:"senders"` // of ours, the impostors not among them
	Bystanders int      `json:"bystanders"`

	Joins        int     `json:"joins"`                // memberships asked for
	Joined       int     `json:"joined"`               // of them, how many got a datagram
	AllJoined    float64 `json:"all_joined_s"`         // wall time from the first wish until all of the hosts' first had one
	AllJoinedRSS uint64  `json:"all_joined_rss_bytes"` // the most memory until then
	JoinDelay    Delays  `json:"join_delay_ms"`        // RFC 3918 §6.1
	LeaveDelay   Delays  `json:"leave_delay_ms"`       // RFC 3918 §6.2
	AfterLeave   uint64  `json:"after_leave"`          // datagrams on links whose host had left
	Zap          Zaps    `json:"zap"`                  //
	Resolution   float64 `json:"resolution_ms"`        // time between two datagrams of a group: no delay is finer
	Behind       float64 `json:"behind_ms"`            // how late the tester sent a datagram at worst
	Held         float64 `json:"held_s"`               // how long the schedule stood still because steps of many hosts took their time
	Numbered     bool    `json:"numbered"`             // the datagrams are a tester's: loss is known
	Expected     uint64  `json:"expected"`             // numbered datagrams that were to come
	Delivered    uint64  `json:"delivered"`            // and how many did
	Lost         uint64  `json:"lost"`                 //
	LossPercent  float64 `json:"loss_percent"`         //
	Duplicates   uint64  `json:"duplicates"`           //
	Reordered    uint64  `json:"reordered"`            // RFC 4737 §3
	Foreign      uint64  `json:"foreign"`              // datagrams of other programs
	OneWay       Delays  `json:"one_way_delay_ms"`     // where sender and receiver have one clock
	OtherClock   uint64  `json:"other_clock"`          // datagrams where they have not
	WrongSource  uint64  `json:"wrong_source"`
	Leaked       uint64  `json:"leaked"`
	Stopped      Stopped `json:"stopped"`
	Flows        []Row   `json:"flows"`         // by source and group; the first MaxRows
	FlowsOmitted int     `json:"flows_omitted"` // how many more there are
	Throughput   Rate    `json:"throughput"`    // what all receivers together were given
	Reports      uint64  `json:"reports"`       // IGMP and MLD reports that receivers sent

	Capacity *Capacity `json:"capacity,omitempty"`
	Checks   []Check   `json:"checks"`
	Verdict  string    `json:"verdict"`
	Ran      float64   `json:"ran_s"`     // by the test's clock
	Elapsed  float64   `json:"elapsed_s"` // by the wall's
	MaxRSS   uint64    `json:"max_rss_bytes"`
}

// MaxRows is how many flows a Result lists.
const MaxRows = 100

// Zaps are changes from a group to the next.
type Zaps struct {
	Count   int    `json:"count"`
	Failed  int    `json:"failed"` // nothing of the new group came
	First   Delays `json:"first_new_ms"`
	Last    Delays `json:"last_old_ms"`
	Overlap Delays `json:"overlap_ms"` // of those where the old came on after the new had begun
}

// Stopped says where unwanted copies ended: kept back by the switch, refused by
// a host's interface or network layer, or by a socket's source filter.
type Stopped struct {
	Switch    uint64 `json:"switch"`
	Interface uint64 `json:"interface"`
	Socket    uint64 `json:"socket"`
}

// Rate is what came in a time.
type Rate struct {
	Packets float64 `json:"packets_per_s"`
	Bits    float64 `json:"bits_per_s"` // of payload
}

// Row is what became of one source's datagrams to one group, over all receivers.
type Row struct {
	Source     string  `json:"source"`
	Group      string  `json:"group"`
	Sent       uint64  `json:"sent"` // 0 where the sender is not ours
	Receivers  int     `json:"receivers"`
	Expected   uint64  `json:"expected"`
	Delivered  uint64  `json:"delivered"`
	Lost       uint64  `json:"lost"`
	Duplicates uint64  `json:"duplicates"`
	Reordered  uint64  `json:"reordered"`
	DelayMin   float64 `json:"delay_min_ms"`
	DelayMean  float64 `json:"delay_mean_ms"`
	DelayMax   float64 `json:"delay_max_ms"`
}

// Capacity is how many groups the network takes (RFC 3918 §7.1).
type Capacity struct {
	Groups int     `json:"groups"`
	Limit  int     `json:"limit"`  // how many were there to be tried
	Reason string  `json:"reason"` // why one more does not pass; empty where Limit passes
	Trials []Trial `json:"trials"`
}

// Trial is one step of the search.
type Trial struct {
	Groups int    `json:"groups"`
	OK     bool   `json:"ok"`
	Failed int    `json:"failed"` // joins that were refused
	Silent int    `json:"silent"` // memberships that got nothing
	Leaked uint64 `json:"leaked"`
}

// Sent is what a sender did.
type Sent struct {
	Where   string    `json:"where"`
	Seed    uint64    `json:"seed"`
	Groups  string    `json:"groups"`
	Size    int       `json:"size"`
	Rate    float64   `json:"rate_pps"` // asked for, from each source to each group
	Sources []SentRow `json:"sources"`
	Sent    uint64    `json:"sent"`
	Refused uint64    `json:"refused"`
	Reached float64   `json:"reached_pps"` // from each source to each group
	Behind  float64   `json:"behind_ms"`
	Elapsed float64   `json:"elapsed_s"`
	Verdict string    `json:"verdict"`
}

// SentRow is what one source sent.
type SentRow struct {
	Source string `json:"source"`
	Sent   uint64 `json:"sent"`
}
