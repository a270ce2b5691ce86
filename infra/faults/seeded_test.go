package faults_test

import (
	"testing"

	"roster/infra/faults"
)

// TestSeedsApply checks that every seeded bug can still be planted, and names what must catch it.
func TestSeedsApply(t *testing.T) {
	const root, enough = "../..", 14
	seeds, err := faults.Seeds(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(seeds) < enough {
		t.Errorf("%d seeded bugs, want %d", len(seeds), enough)
	}
	for _, s := range seeds {
		if _, err := s.Apply(t.Context(), root, t.TempDir()); err != nil {
			t.Error(err)
		}
	}
}
