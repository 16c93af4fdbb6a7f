package tester

import "errors"

func (t *test) findCapacity() error { return errors.New("capacity: not yet") }
