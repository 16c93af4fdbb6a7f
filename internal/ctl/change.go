package ctl

// tx is one change under way: the steps that it has made so far, each with how it is
// undone.
type tx struct{ undo []func() }

// made notes a step. undo is called if a later one fails.
func (t *tx) made(undo func()) { t.undo = append(t.undo, undo) }

// rollback undoes all steps, the last first.
func (t *tx) rollback() {
	for i := len(t.undo) - 1; i >= 0; i-- {
		t.undo[i]()
	}
}

// transact makes a change: one at a time, as a whole or not at all. It returns the
// number of changes so far.
func (s *Server) transact(f func(*tx) error) (revision uint64, err error) {
	s.change.Lock()
	defer s.change.Unlock()
	t := new(tx)
	whole := false
	defer func() { // a panic, too, leaves nothing half-done
		if !whole {
			t.rollback()
		}
	}()
	if err := f(t); err != nil {
		return 0, err
	}
	whole = true
	return s.revision.Add(1), nil
}
