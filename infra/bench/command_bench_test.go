package bench

import (
	"sync/atomic"
	"testing"
)

// What a command costs, allocations among it: for profiles (go test -bench Command -cpuprofile …).
func BenchmarkCommand(b *testing.B) {
	p, firms := benched(b)
	var next atomic.Int64
	b.SetParallelism(64)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		f := &firms[next.Add(1)-1]
		for pb.Next() {
			if _, err := p.do(b.Context(), f); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// The same over HTTP; the client's costs are in it.
func BenchmarkCommandHTTP(b *testing.B) {
	p, firms := benched(b)
	handler, err := p.api(nil)
	if err != nil {
		b.Fatal(err)
	}
	l := new(lab)
	address, err := l.serve(b.Context(), handler)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := l.release(); err != nil {
			b.Error(err)
		}
	})
	clients, err := l.clients(b.Context(), address, len(firms))
	if err != nil {
		b.Fatal(err)
	}
	var next atomic.Int64
	b.SetParallelism(64)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		i := next.Add(1) - 1
		requests := firms[i].asked()
		for pb.Next() {
			if _, err := clients[i].ask(requests.next(), false); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func benched(b *testing.B) (*portal, []firm) {
	b.Helper()
	p, _, err := openPortal(b.Context(), b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := p.close(); err != nil {
			b.Error(err)
		}
	})
	firms, err := p.firms(b.Context(), 1024)
	if err != nil {
		b.Fatal(err)
	}
	for i := range firms {
		if err := p.check(b.Context(), &firms[i]); err != nil { // it is in memory from here on
			b.Fatal(err)
		}
	}
	return p, firms
}
