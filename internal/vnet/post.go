package vnet

// A user who finds the shard of his connection locked does not wait for it: he
// posts the connection, and whoever holds the lock does for it what it needs
// before or right after he lets go.

// post leaves the connection's affairs, what Send.Post has got and what was read,
// to whoever holds the shard, be it the caller.
func (s *TCPSock) post(p *pass) {
	if !s.wanted.Swap(true) {
		for {
			s.nextPosted = s.sh.posted.Load()
			if s.sh.posted.CompareAndSwap(s.nextPosted, s) {
				break
			}
		}
	}
	if s.sh.tryLock(p) {
		s.sh.unlock(p)
	}
}

// serve does what was posted.
func (sh *shard) serve(p *pass) {
	for s := sh.posted.Swap(nil); s != nil; {
		next := s.nextPosted
		s.nextPosted = nil
		s.wanted.Store(false) // from here on it may be posted again
		s.collect(p)
		s = next
	}
}

// collect takes over what was posted to be sent.
func (s *TCPSock) collect(p *pass) {
	if s.buried || s.Shut {
		s.out.Discard(p.r.Cache.Free)
		return
	}
	if n := s.out.Collect(); n > 0 {
		s.conn.Wrote(n)
	}
	s.sh.touch(s)
}
