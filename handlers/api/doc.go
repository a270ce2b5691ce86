// Package api is the HTTP interface, version 1. It translates: requests into commands and questions, answers and
// refusals into JSON. It decides nothing.
//
// Every error, whatever its cause, is a problem document (RFC 9457) with a stable code, and none repeats what the
// caller sent. What belongs to somebody else is answered byte for byte like what does not exist.
package api
