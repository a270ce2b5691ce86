package events

// Place says where in the log a box stands. It is authenticated with what the box holds, so that a box moved
// elsewhere does not open.
type Place struct {
	Log      LogID
	Boundary Boundary
	Commit   CommitID
	Index    int // of the fact; OriginIndex for a commit's origin
	Kind     Kind
	Part     string
}

// OriginIndex is the index of what belongs to a commit as a whole.
const OriginIndex = -1

// OriginPlace is where a commit's origin stands.
func OriginPlace(log LogID, b Boundary, commit CommitID) Place {
	return Place{Log: log, Boundary: b, Commit: commit, Index: OriginIndex, Part: "origin"}
}
