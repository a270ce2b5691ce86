package eventlog

import "time"

// Keep is an option that makes the ring hold n records.
func Keep(n int) Option { return func(l *Log) { l.keep = n } }

// Replicated makes an open log behave as on a replicated stream: it asks the leader for what decides.
func (l *Log) Replicated() { l.replicas = 3 }

// Within is an option that makes requests wait so long for their answers.
func Within(d time.Duration) Option { return func(l *Log) { l.within = d } }
