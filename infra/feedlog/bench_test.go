package feedlog_test

import (
	"context"
	"testing"

	"roster/infra/feedlog/feedtest"
)

// BenchmarkPublish is the whole way from the log to the stream, personal data opened; the unit is one fact.
func BenchmarkPublish(b *testing.B) {
	i := feedtest.Start(b)
	for n := 0; n < b.N; n += 100 {
		i.Invite(emails(string(rune('a'+n/100%26))+string(rune('a'+n/2600))+"-", 100)...)
	}
	p := i.Publisher(nil)
	ctx, stop := context.WithCancel(b.Context())
	done := make(chan error, 1)
	last, err := i.Log.Last(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	go func() { done <- p.Publish(ctx) }()
	feedtest.Eventually(b, "all are published", func() bool { return p.Reached() >= last })
	b.StopTimer()
	stop()
	<-done
}

// BenchmarkSubscribe is one subscriber; the unit is one event.
func BenchmarkSubscribe(b *testing.B) {
	i := feedtest.Start(b)
	for n := 0; n < b.N; n += 100 {
		i.Invite(emails(string(rune('a'+n/100%26))+string(rune('a'+n/2600))+"-", 100)...)
	}
	i.Publish()
	want := len(i.Facts())
	feedtest.Eventually(b, "all are published", func() bool {
		s, err := i.JS.Stream(b.Context(), "ROSTER_FEED")
		return err == nil && s.CachedInfo().State.LastSeq >= uint64(want)
	})
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	b.ResetTimer()
	n := 0
	err := i.Feed.Subscribe(ctx, "bench", []string{"*.*.invitation.created"}, func(context.Context, map[string]string, []byte) error {
		if n++; n == b.N {
			stop()
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}
