package faults

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// siteMaker is NewSite or NewExternalSite.
type siteMaker func(ctx context.Context, members int) (*Site, error)

// way is one of the ways to do a fault, with its share of the rounds.
type way struct {
	name  string
	share int
	run   func(ctx context.Context, l *Lab, name string, rounds int) (Outcome, error)
}

// inTurn does a fault in all ways, which go on at once: much of each is waiting. Each does at most so many rounds before
// what came of them is judged and it begins anew. A way that fails goes no further.
func inTurn(ctx context.Context, l *Lab, rounds, most int, ways ...way) (all Outcome, err error) {
	shares, left := 0, rounds
	for _, w := range ways {
		shares += w.share
	}
	outcomes, errs := make([]Outcome, len(ways)), make([]error, len(ways))
	var working sync.WaitGroup
	for i, w := range ways {
		n := rounds * w.share / shares
		if left -= n; i == len(ways)-1 {
			n += left
		}
		working.Go(func() {
			for done := 0; done < n && errs[i] == nil; done += most {
				name := fmt.Sprint(w.name, done/most+1)
				one, err := w.run(ctx, l, name, min(most, n-done))
				outcomes[i].Add(one)
				if err != nil {
					errs[i] = fmt.Errorf("%s: %w", name, err)
				}
			}
		})
	}
	working.Wait()
	for _, one := range outcomes {
		all.Add(one)
	}
	return all, errors.Join(errs...)
}
