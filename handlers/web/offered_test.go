package web

import (
	"testing"

	"roster/domain"
)

// SPEC 3.4: of whom a viewer may change is told from what both hold; whoever holds more, or what is not known here, is
// asked of the rules.
func TestDoubtful(t *testing.T) {
	d := domain.Profiles()[0]
	roles := []role{{ID: "owner", Permissions: []string{"users:read", "users:revoke", "pay:all"}}, {ID: "admin", Permissions: []string{"users:read", "users:revoke"}},
		{ID: "viewer", Permissions: []string{"users:read"}}, {ID: "desk", Permissions: []string{"users:read", "desk:open"}}}
	other := "other"
	admin := &page{Profile: &domain.Profile{Definition: d}, Account: account{Roles: []string{"admin"}, Permissions: []string{"users:read", "users:revoke"}}}
	for what, c := range map[string]struct {
		u    listed
		want bool
	}{
		"a viewer":             {listed{User: &other, Roles: []string{"viewer"}}, false},
		"an equal":             {listed{User: &other, Roles: []string{"admin", "viewer"}}, false},
		"an owner":             {listed{User: &other, Roles: []string{"owner"}}, true},
		"who may more":         {listed{User: &other, Roles: []string{"viewer", "desk"}}, true},
		"a role not seen":      {listed{User: &other, Roles: []string{"night-shift"}}, true},
		"more by a permission": {listed{User: &other, Roles: []string{"viewer"}, Permissions: []string{"pay:all"}}, true},
		"no more by one":       {listed{User: &other, Roles: []string{"viewer"}, Permissions: []string{"users:revoke"}}, false},
		"a pattern":            {listed{User: &other, Roles: []string{"viewer"}, Permissions: []string{"users:*"}}, true},
	} {
		if got := admin.doubtful(c.u, roles); got != c.want {
			t.Errorf("%s: %t", what, got)
		}
	}
	if !admin.doubtful(listed{User: &other, Roles: []string{"viewer"}}, nil) {
		t.Error("without the roles nothing is known")
	}
	owner := &page{Profile: admin.Profile, Account: account{Roles: []string{"owner"}, Permissions: roles[0].Permissions}}
	if !owner.doubtful(listed{User: &other, Roles: []string{"owner"}}, roles) {
		t.Error("SPEC 3.7: the last owner is asked of the rules")
	}
}
