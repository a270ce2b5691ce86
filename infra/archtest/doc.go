// Package archtest holds, as tests, what the tree promises about itself: who may import whom, that facts cannot be
// forgotten, that rules have no clock and packages no hidden state. There is no code in it; go test runs it like
// any other test, and a complaint says in words what to do.
//
// The table of packages is in table_test.go. A new package is a decision: add a row. What has a row or a place in
// a list of exceptions and no longer exists is a complaint too, so that rules do not rot.
package archtest
