//go:build !novimage

package tester

import "testing"

// TestSearch finds every capacity, with few trials, and asks for nothing beyond
// the limit.
func TestSearch(t *testing.T) {
	for limit := 1; limit <= 70; limit++ {
		for capacity := 0; capacity <= limit; capacity++ {
			trials := 0
			got, err := search(limit, func(n int) (bool, error) {
				if trials++; n < 1 || n > limit {
					t.Fatalf("limit %d: %d is tried", limit, n)
				}
				return n <= capacity, nil
			})
			if got != capacity || err != nil || trials > 15 {
				t.Errorf("limit %d, capacity %d: %d after %d trials, %v", limit, capacity, got, trials, err)
			}
		}
	}
}
