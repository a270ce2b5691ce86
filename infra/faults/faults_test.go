package faults_test

import (
	"errors"
	"os"
	"testing"

	"roster/infra/faults"
)

// TestFaults runs the short form of every fault against one build of the program.
func TestFaults(t *testing.T) {
	lab, err := faults.NewLab(t.Context(), faults.Options{Short: true, Seed: 1, Log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, f := range faults.All() {
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel() // much of it is waiting
			outcome, err := f.Run(t.Context(), lab, f.Short)
			t.Log(outcome)
			if errors.Is(err, faults.ErrNoVolumes) && os.Getenv("CI") == "" {
				t.Log("not tried:", err)
				return
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
}
