package faults_test

import (
	"errors"
	"os"
	"runtime"
	"sync"
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
	next := make(chan faults.Fault)
	var running sync.WaitGroup
	for range runtime.GOMAXPROCS(0) { // much of a fault is waiting
		running.Go(func() {
			for f := range next {
				t.Run(f.Name, func(t *testing.T) { runShort(t, lab, f) })
			}
		})
	}
	for _, f := range faults.All() {
		next <- f
	}
	close(next)
	running.Wait()
}

func runShort(t *testing.T, lab *faults.Lab, f faults.Fault) {
	outcome, err := f.Run(t.Context(), lab, f.Short)
	t.Log(outcome)
	if errors.Is(err, faults.ErrNoVolumes) && os.Getenv("CI") == "" {
		t.Log("not tried:", err)
		return
	}
	if err != nil {
		t.Error(err)
	}
}
