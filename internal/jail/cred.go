package jail

import "github.com/seed88948545/vimage/internal/socket"

// Cred is the credential that a handle on a stack carries, and that what is made by
// it inherits: the jail in which whoever asks is. The zero value is jail 0's.
type Cred struct{ in *Jail }

// Cred returns the credential of those in the jail.
func (j *Jail) Cred() Cred {
	if j.parent == nil {
		return Cred{}
	}
	return Cred{j}
}

// Allows tells whether c may do p now.
func (c Cred) Allows(p Priv) bool {
	return c.in == nil || !c.in.gone.Load() && c.in.deny.Load()>>p&1 == 0
}

// Limit returns which addresses sockets may use that are made with c, nil where they
// may use all.
func (c Cred) Limit() *socket.Limit {
	if c.in == nil {
		return nil
	}
	return c.in.limit.Load()
}

// Jail returns the jail of the credential, nil for jail 0.
func (c Cred) Jail() *Jail { return c.in }
