//go:build invariants

package pkt

// invariants makes Free overwrite what it frees, so that a use after free
// shows at once.
const invariants = true
