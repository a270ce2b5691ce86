package events

// TreeOpened says in the one order of all changes of the tree that a sub-account has been opened.
type TreeOpened struct {
	Account AccountID `json:"account"`
	Parent  AccountID `json:"parent"`
}

func (TreeOpened) kind() Kind { return Kind{"tree.opened", 1} }

// TreeMoved says so of a move; From or To is zero for a root account.
type TreeMoved struct {
	Account AccountID `json:"account"`
	From    AccountID `json:"from,omitzero"`
	To      AccountID `json:"to,omitzero"`
}

func (TreeMoved) kind() Kind { return Kind{"tree.moved", 1} }

// TreeClosed says so of the end of an account.
type TreeClosed struct {
	Account AccountID `json:"account"`
}

func (TreeClosed) kind() Kind { return Kind{"tree.closed", 1} }
