//go:build !linux

package nats

import "os"

// canGroup says no: group commit was tried on Linux only.
func canGroup(string) (bool, error) { return false, nil }

func syncData(file *os.File) error { return file.Sync() }

// runOf knows no machine's run, so that nothing is taken for granted after a kill.
func runOf(string) (string, error) { return "", nil }
