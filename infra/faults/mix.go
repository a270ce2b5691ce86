package faults

import (
	"fmt"
	"net/http"

	"roster/events"
)

// passwords is how many times rarer the commands are that hash one: each costs as much as all else that a caller does in
// a while, and the program would be busy with nothing else.
const passwords = 4

// choose is what a caller does next: a day's mix in one account, with some that are refused.
func (w *worker) choose() *Step {
	w.count++
	at := "/v1/accounts/" + w.Account.String()
	s := &Step{Key: fmt.Sprintf("%s-%d-%d", w.name, w.n, w.count), Caller: "user:" + w.Owner.User, Token: w.Owner.Session,
		Home: events.OfAccount(w.Account), Method: http.MethodPost, Body: M{}}
	me := w.Members[w.n]
	member := w.Members[w.rand.IntN(len(w.Members))].User
	kind := w.rand.IntN(20)
	if (kind == 8 || kind == 17) && w.rand.IntN(passwords) > 0 {
		kind--
	}
	if len(w.open) == 0 && kind >= 3 && kind < 9 {
		kind = 0
	}
	switch kind {
	case 0, 1:
		s.Name, s.Path = "InviteUsers", at+"/invitations"
		s.Body = M{"emails": []string{w.fresh(0)}, "roles": []string{"viewer"}}
	case 2:
		s.Name, s.Path = "InviteUsers", at+"/invitations"
		s.Body = M{"emails": []string{w.fresh(0), "not-an-address", w.fresh(1), w.fresh(2)}, "roles": []string{"manager"}}
	case 3, 4, 5:
		i := w.rand.IntN(len(w.open))
		s.Name, s.Path = "ResendInvitation", at+"/invitations/"+w.open[i].id.String()+"/resend"
		w.open[i].generation++
	case 6, 7:
		one := w.open[0]
		w.open = w.open[1:]
		s.Name, s.Path = "RevokeInvitation", at+"/invitations/"+one.id.String()+"/revoke"
		s.isSo = func(f *Fold) bool { i := f.Invitations[one.id.String()]; return i != nil && i.Status != "pending" }
	case 8:
		one := w.open[len(w.open)-1]
		w.open = w.open[:len(w.open)-1]
		s.Name, s.Path, s.Token = "AcceptInvitation", "/v1/invitations/"+w.Link(one.id, one.generation)+"/accept", ""
		s.Caller = fmt.Sprintf("link:%s.%d", one.id, one.generation)
		s.Body = M{"first_name": "New", "last_name": "Comer", "password": password}
	case 9, 10, 11:
		s.Name, s.Path = "Suspend", at+"/users/"+member+"/suspend"
		s.isSo = func(f *Fold) bool { return f.Members[member].Status == "suspended" }
	case 12, 13, 14:
		s.Name, s.Path = "Reactivate", at+"/users/"+member+"/reactivate"
		s.isSo = func(f *Fold) bool { return f.Members[member].Status == "active" }
	case 15, 16:
		role := []string{"viewer", "manager", "admin"}[w.rand.IntN(3)]
		s.Name, s.Method, s.Path = "ChangeRole", http.MethodPut, at+"/users/"+member+"/role"
		s.Body = M{"roles": []string{role}}
		s.isSo = func(f *Fold) bool { return f.Members[member].Roles == role }
	case 17:
		s.Name, s.Path, s.Token, s.Key = "SignIn", "/v1/sessions", "", ""
		s.Body, s.session = M{"email": me.Email, "password": password}, me.User
	case 18:
		s.Name, s.Path, s.Token, s.Home = "OpenAccount", "/v1/accounts", w.Operator, events.Boundary{}
		s.Caller = "operator:" + w.OperatorID
		s.Body = M{"name": "Account " + s.Key}
	case 19:
		s.Name, s.Path = "Suspend", at+"/users/"+w.Owner.User+"/suspend"
		s.Token, s.Caller = me.Session, "user:"+me.User
		if w.rand.IntN(2) == 0 { // the last owner stays
			s.Name, s.Method, s.Path = "ChangeRole", http.MethodPut, at+"/users/"+w.Owner.User+"/role"
			s.Token, s.Caller, s.Body = w.Owner.Session, "user:"+w.Owner.User, M{"roles": []string{"viewer"}}
		}
	}
	return s
}

func (w *worker) fresh(n int) string {
	return fmt.Sprintf("guest-%s-%d-%d-%d@northwind.example", w.name, w.n, w.count, n)
}
