package projections

import (
	"cmp"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"roster/events"
)

// family is accounts above accounts with members, some of whom reach into what is below, as plainly as it can be said.
type family struct {
	commits []Opened
	pos     uint64
	parent  map[string]string
	guard   map[string]string // the protected role
	members map[string]map[string]*relative
	names   []string
}

type relative struct {
	status string
	grants []events.Grant
}

func (f *family) add(account string, facts ...events.Event) {
	f.pos++
	f.commits = append(f.commits, commitOf(f.pos, events.OfAccount(accountNamed(account)), listEpoch, events.Actor{Type: events.BySystem, ID: "test"}, facts...))
}

func (f *family) above(account string) (up []string) {
	for a := f.parent[account]; a != ""; a = f.parent[a] {
		up = append(up, a)
	}
	return up
}

func (f *family) listed(account string) Listed {
	l := Listed{Account: accountNamed(account)}
	for _, a := range f.above(account) {
		l.Above = append(l.Above, accountNamed(a))
	}
	return l
}

// reaches are the grants by which a member reaches into sub-accounts, if one of them does now.
func (f *family) reaches(account, user string, now time.Time) ([]events.Grant, bool) {
	m, is := f.members[account][user], false
	if m == nil || m.status != StatusActive {
		return nil, false
	}
	var list []events.Grant
	for _, g := range m.grants {
		if g.Inherit || f.parent[account] == "" && slices.Contains(g.Roles, f.guard[account]) {
			list = append(list, g)
			is = is || !g.From.Std().After(now) && (g.Until == 0 || g.Until.Std().After(now))
		}
	}
	return list, is
}

// list says who is in the list of an account: the user, the status, from where, and the roles.
func (f *family) list(account string, inherited string, now time.Time) (out []string) {
	for _, user := range f.names {
		line := ""
		own := f.members[account][user]
		if own != nil && inherited != "true" {
			line = fmt.Sprint(user, " ", own.status, " - ", sumOf(own.grants).roles)
		}
		if (own == nil || own.status == StatusRevoked) && inherited != "false" {
			for _, up := range f.above(account) {
				if grants, is := f.reaches(up, user, now); is {
					line = fmt.Sprint(user, " active ", up, " ", sumOf(grants).roles)
					break
				}
			}
		}
		if line != "" {
			out = append(out, account+": "+line)
		}
	}
	return out
}

func (f *family) shown(items []UserItem, accounts []string) (out []string) {
	name := func(id events.AnyID, of []string) string {
		for _, n := range of {
			if named(n) == id {
				return n
			}
		}
		return id.String()
	}
	for _, i := range items {
		from := "-"
		if i.InheritedFrom != nil {
			from = name(i.InheritedFrom.Any(), accounts)
		}
		out = append(out, fmt.Sprint(name(i.Account.Any(), accounts), ": ", i.Name, " ", i.Status, " ", from, " ", i.Roles))
	}
	return out
}

// grow is what happens to a family of accounts and their members.
func grow(r *rand.Rand, accounts []string, now time.Time) *family {
	f := &family{parent: map[string]string{}, guard: map[string]string{}, members: map[string]map[string]*relative{}}
	for i, a := range accounts {
		f.guard[a], f.members[a] = "owner", map[string]*relative{}
		if i%4 > 0 {
			f.parent[a] = accounts[i-1]
		}
		opened := events.AccountOpened{Name: a, Parent: events.AccountID{}}
		if f.parent[a] != "" {
			opened.Parent = accountNamed(f.parent[a])
		}
		f.add(a, opened)
	}
	for i := range 9 {
		name := fmt.Sprintf("user%d", i)
		f.names = append(f.names, name)
		f.pos++
		f.commits = append(f.commits, commitOf(f.pos, events.OfUser(events.UserID(named(name))), listEpoch, events.Actor{}, events.UserRegistered{
			Profile: events.For(events.KeyID{1}, events.PersonName{First: name}), Email: events.For(events.KeyID{1}, events.Email{Email: name + "@x.example"})}))
	}
	for range 90 {
		account, name := accounts[r.Intn(len(accounts))], f.names[r.Intn(len(f.names))]
		user, m := events.UserID(named(name)), f.members[account][name]
		var grants []events.Grant
		for range 1 + r.Intn(2) {
			g := events.Grant{Roles: []string{[]string{"owner", "admin", "viewer"}[r.Intn(3)]}, Inherit: r.Intn(3) == 0}
			if r.Intn(4) == 0 {
				g.Until = events.TimeOf(now.Add(time.Duration(r.Intn(3)-1) * time.Hour))
			}
			if r.Intn(5) == 0 {
				g.From = events.TimeOf(now.Add(-time.Duration(r.Intn(3)-1) * time.Hour))
			}
			grants = append(grants, g)
		}
		switch op := r.Intn(10); {
		case m == nil || m.status == StatusRevoked:
			f.members[account][name] = &relative{StatusActive, grants}
			f.add(account, events.MembershipGranted{User: user, Grants: grants})
		case op < 3:
			m.grants = grants
			f.add(account, events.MembershipRoleChanged{User: user, To: grants})
		case op < 5:
			m.status = StatusSuspended
			f.add(account, events.MembershipSuspended{User: user})
		case op < 7:
			m.status = StatusRevoked
			f.add(account, events.MembershipRevoked{User: user})
		case op == 7: // from the root to below another account, or back
			to := ""
			if f.parent[account] == "" {
				for _, a := range accounts {
					if a != account && !slices.Contains(f.above(a), account) {
						to = a
					}
				}
			}
			f.parent[account] = to
			moved := events.AccountMoved{}
			if to != "" {
				moved.To = accountNamed(to)
			}
			f.add(account, moved)
		case op == 8:
			f.guard[account] = []string{"owner", "admin"}[r.Intn(2)]
			f.add(account, events.AccountProfileAdopted{To: events.ProfileRef{Name: "p", Protected: f.guard[account]}})
		default:
			m.status = StatusActive
			f.add(account, events.MembershipReactivated{User: user}, events.MembershipRoleChanged{User: user, To: m.grants})
		}
	}
	return f
}

// SPEC 3.1: whoever comes from an account above is in the list, by grants that extend now, whatever has happened to
// members and accounts and wherever the pages of commits are cut. SPEC 3.13: so it is over several accounts.
func TestInheritedIsTheFold(t *testing.T) {
	conn := connectLists(t)
	accounts := []string{"R", "S", "T", "U", "Q", "V"}
	now := listEpoch.Add(time.Hour)
	found := 0
	for seed := range int64(12) {
		r := rand.New(rand.NewSource(seed))
		f := grow(r, accounts, now)
		one, cut := makeList(t, conn, UserList(), fmt.Sprintf("one_%d", seed)), makeList(t, conn, UserList(), fmt.Sprintf("cut_%d", seed))
		for _, c := range f.commits {
			one.apply(c)
		}
		for rest := f.commits; len(rest) > 0; {
			n := min(len(rest), 1+r.Intn(30))
			cut.apply(rest[:n]...)
			rest = rest[n:]
		}
		for _, d := range []listDB{one, cut} {
			for _, inherited := range []string{"", "true", "false"} {
				var all []Listed
				var want []string
				for _, a := range accounts {
					q := UserListQuery{Account: accountNamed(a), Now: now, Limit: 2, Above: f.listed(a).Above, Inherited: isTrue(inherited)}
					mine := f.list(a, inherited, now)
					want, all = append(want, mine...), append(all, f.listed(a))
					if len(q.Above) == 0 {
						continue
					}
					got := f.shown(d.allUsers(q), accounts)
					if !slices.Equal(got, mine) {
						t.Fatalf("seed %d, %s, %s inherited=%s:\n%s\nwant\n%s", seed, d.schema, a, inherited, strings.Join(got, "\n"), strings.Join(mine, "\n"))
					}
				}
				for _, sort := range []string{"name", "-name", "status", "-valid_until", "roles", "last_sign_in", "-last_sign_in"} {
					got := f.shown(d.across(UserListQuery{Now: now, Limit: 4, Inherited: isTrue(inherited), Sort: sort}, all), accounts)
					if slices.Sort(got); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
						t.Fatalf("seed %d, %s, by %s, inherited=%s:\n%s\nwant\n%s", seed, d.schema, sort, inherited, strings.Join(got, "\n"), strings.Join(want, "\n"))
					}
				}
				if inherited == "true" {
					found += len(want)
				}
			}
		}
	}
	if found < 50 {
		t.Errorf("only %d come from above: the test says little", found)
	}
}

func isTrue(s string) *bool {
	if s == "" {
		return nil
	}
	is := s == "true"
	return &is
}

// across reads a list over several accounts in pages.
func (d listDB) across(q UserListQuery, of []Listed) []UserItem {
	d.Helper()
	var all []UserItem
	for {
		page, err := UsersAcross(d.Context(), d.Conn, d.schema, q, of)
		if err != nil {
			d.Fatal(err)
		}
		all = append(all, page.Items...)
		if q.After = page.Next; q.After == nil {
			return all
		}
		if len(page.Items) != q.Limit {
			d.Fatalf("a page of %d of %d with another behind it", len(page.Items), q.Limit)
		}
	}
}

// The order over several accounts is that of each of them, whoever stands in several by their accounts.
func TestUsersAcrossSorts(t *testing.T) {
	d, q := crowded(t, 50)
	of := []Listed{{Account: q.Account}, {Account: accountNamed("B")}, {Account: accountNamed("C")}}
	everything := d.across(q, of)
	if len(everything) != 75 {
		t.Fatalf("%d entries", len(everything))
	}
	for _, column := range []string{"name", "email", "last_sign_in", "two_factor", "roles", "status", "since", "expires_at", "valid_until"} {
		for sign, direction := range map[int]string{1: "", -1: "-"} {
			want := slices.Clone(everything)
			slices.SortFunc(want, func(a, b UserItem) int {
				order, nullA, nullB := compareBy(column, a, b)
				switch {
				case nullA && !nullB:
					return 1
				case nullB && !nullA:
					return -1
				case order != 0 && !nullA:
					return sign * order
				}
				return sign * cmp.Or(strings.Compare(string(keyOf(a)), string(keyOf(b))), strings.Compare(a.Account.String(), b.Account.String()))
			})
			q := q
			q.Sort, q.Limit = direction+column, 3
			got := d.across(q, of)
			same := func(a, b UserItem) bool { return slices.Equal(keyOf(a), keyOf(b)) && a.Account == b.Account }
			if !slices.EqualFunc(got, want, same) {
				t.Errorf("sort %q:\n%s\nwant\n%s", q.Sort, lines(got), lines(want))
			}
		}
	}
	page, err := UsersAcross(t.Context(), d.Conn, d.schema, q, of)
	sum := 0
	for _, n := range page.Counts {
		sum += n
	}
	if err != nil || sum != 75 {
		t.Errorf("counts %v, %v", page.Counts, err)
	}
}
