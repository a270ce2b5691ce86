package launch

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
)

// account is the operating system's user the server runs as.
type account struct {
	name     string
	uid, gid uint32
	other    bool // not the user this process runs as
}

// accounts says who connects (the user of this process) and who serves: the
// same user, except that PostgreSQL refuses to run as root and then is
// "postgres", else "nobody".
func accounts() (me string, server account, err error) {
	self, err := user.LookupId(strconv.Itoa(os.Geteuid()))
	if err != nil {
		return "", account{}, fmt.Errorf("user %d has no name on this system, and PostgreSQL needs one: add it to /etc/passwd", os.Geteuid())
	}
	if strings.ContainsAny(self.Username, "\"\n\r,/") {
		return "", account{}, fmt.Errorf("the user name %q cannot be written in PostgreSQL's configuration", self.Username)
	}
	candidates := []*user.User{self}
	if os.Geteuid() == 0 {
		candidates = nil
		for _, name := range []string{"postgres", "nobody"} {
			if u, err := user.Lookup(name); err == nil {
				candidates = append(candidates, u)
			}
		}
	}
	for _, u := range candidates {
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			continue
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			continue
		}
		if uid == 0 {
			continue
		}
		return self.Username, account{name: u.Username, uid: uint32(uid), gid: uint32(gid), other: os.Geteuid() == 0}, nil
	}
	return "", account{}, fmt.Errorf("PostgreSQL refuses to run as root, and there is no user postgres or nobody: add one of them, or run as another user")
}

// reach reports the first folder on the way to dir that the server's user may
// not pass. It reads the permission bits only.
func (a account) reach(dir string) error {
	if !a.other {
		return nil
	}
	for _, step := range ancestors(dir) {
		info, err := os.Stat(step)
		if err != nil {
			return err
		}
		if !a.passes(info) {
			return fmt.Errorf("it runs as user %s, who may not enter %s: choose a data directory elsewhere, such as /var/lib/roster, or run chmod o+x %s", a.name, step, step)
		}
	}
	return nil
}

func (a account) passes(info fs.FileInfo) bool {
	uid, gid := ownerOf(info)
	switch {
	case uid == a.uid:
		return info.Mode()&0o100 != 0
	case gid == a.gid:
		return info.Mode()&0o010 != 0
	default:
		return info.Mode()&0o001 != 0
	}
}

// ancestors lists dir and the folders above it, from the top.
func ancestors(dir string) []string {
	if parent := filepath.Dir(dir); parent != dir {
		return append(ancestors(parent), dir)
	}
	return []string{dir}
}
