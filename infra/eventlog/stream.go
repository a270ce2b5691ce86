package eventlog

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"roster/infra/streams"
)

// duplicateWindow is short because a start re-reads every message in it.
const duplicateWindow = 20 * time.Second

// frozen are the settings of the stream. They never change for a log that exists.
func frozen(stream, subjects string, replicas int) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:               stream,
		Subjects:           []string{subjects},
		Retention:          jetstream.LimitsPolicy,
		MaxConsumers:       -1,
		MaxMsgs:            -1,
		MaxBytes:           -1,
		MaxMsgsPerSubject:  -1,
		MaxMsgSize:         -1,
		Discard:            jetstream.DiscardNew,
		Storage:            jetstream.FileStorage,
		Replicas:           replicas,
		Duplicates:         duplicateWindow,
		DenyDelete:         true,
		DenyPurge:          true,
		Compression:        jetstream.NoCompression,
		AllowDirect:        true,
		AllowAtomicPublish: true,
	}
}

// ensure makes the stream, or checks the one that is there, which keeps its number of replicas.
func ensure(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig) (*jetstream.StreamInfo, error) {
	s, err := streams.Ensure(ctx, js, want)
	if err != nil {
		return nil, fmt.Errorf("log %s: %w", want.Name, err)
	}
	info := s.CachedInfo()
	if drift := drifted(info.Config, want); len(drift) > 0 {
		return nil, fmt.Errorf("log %s: its settings were changed: %s", want.Name,
			strings.Join(drift, "; "))
	}
	return info, whole(want.Name, info.State)
}

// drifted lists the settings that are not as they were made, by their names in NATS.
func drifted(got, want jetstream.StreamConfig) []string {
	var list []string
	check := func(setting string, got, want any) {
		if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
			list = append(list, fmt.Sprintf("%s is %s, must be %s", setting, g, w))
		}
	}
	check("subjects", got.Subjects, want.Subjects)
	check("retention", got.Retention, want.Retention)
	check("storage", got.Storage, want.Storage)
	check("max_consumers", got.MaxConsumers, want.MaxConsumers)
	check("max_msgs", got.MaxMsgs, want.MaxMsgs)
	check("max_bytes", got.MaxBytes, want.MaxBytes)
	check("max_age", got.MaxAge, want.MaxAge)
	check("max_msgs_per_subject", got.MaxMsgsPerSubject, want.MaxMsgsPerSubject)
	check("max_msg_size", got.MaxMsgSize, want.MaxMsgSize)
	check("discard", got.Discard, want.Discard)
	check("discard_new_per_subject", got.DiscardNewPerSubject, want.DiscardNewPerSubject)
	check("duplicate_window", got.Duplicates, want.Duplicates)
	check("deny_delete", got.DenyDelete, want.DenyDelete)
	check("deny_purge", got.DenyPurge, want.DenyPurge)
	check("compression", got.Compression, want.Compression)
	check("allow_direct", got.AllowDirect, want.AllowDirect)
	check("allow_atomic", got.AllowAtomicPublish, want.AllowAtomicPublish)
	check("allow_batched", got.AllowBatchPublish, want.AllowBatchPublish)
	check("allow_rollup_hdrs", got.AllowRollup, want.AllowRollup)
	check("allow_msg_ttl", got.AllowMsgTTL, want.AllowMsgTTL)
	check("allow_msg_counter", got.AllowMsgCounter, want.AllowMsgCounter)
	check("allow_msg_schedules", got.AllowMsgSchedules, want.AllowMsgSchedules)
	check("persist_mode", got.PersistMode, want.PersistMode)
	check("no_ack", got.NoAck, want.NoAck)
	check("sealed", got.Sealed, want.Sealed)
	check("mirror", got.Mirror != nil, want.Mirror != nil)
	check("sources", len(got.Sources), len(want.Sources))
	check("subject_transform", got.SubjectTransform != nil, want.SubjectTransform != nil)
	return list
}

// whole says what is missing from the log, as far as the server knows.
func whole(stream string, s jetstream.StreamState) error {
	switch {
	case s.NumDeleted != 0:
		return fmt.Errorf("log %s: %w: %d of %d commits are missing", stream, ErrIntegrity, s.NumDeleted, s.LastSeq)
	case s.Msgs != s.LastSeq:
		return fmt.Errorf("log %s: %w: it holds %d commits and ends at position %d", stream, ErrIntegrity, s.Msgs, s.LastSeq)
	case s.Msgs > 0 && s.FirstSeq != 1:
		return fmt.Errorf("log %s: %w: it begins at position %d", stream, ErrIntegrity, s.FirstSeq)
	}
	return nil
}
