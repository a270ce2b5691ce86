//go:build !linux

package nats

// canGroup says no: group commit was tried on Linux only.
func canGroup(string) (bool, error) { return false, nil }

func syncData(name string) error { return syncAll(name) }
