// Package bench measures what DESIGN.md promises in numbers, on the real parts: the embedded log, the vault, the
// write path, the API over a real listener, the read models in a private PostgreSQL. Each figure stands beside a
// baseline that was measured in the same run on the same disk, in short turns, so that a machine that gets slower in
// between slows both.
package bench
