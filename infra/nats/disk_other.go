//go:build !linux

package nats

import "os"

// canGroup says no: group commit was tried on Linux only.
func canGroup(string) (bool, error) { return false, nil }

func syncData(file *os.File) error { return file.Sync() }
