// Package handlers is the only way to write: load what a command asks for, let it decide, append what it decided,
// and again if somebody was faster.
package handlers
