package api

import (
	"context"
	"net/http"

	"roster/domain"
	"roster/events"
)

func (s *server) roleRoutes() {
	const at = "/v1/accounts/{account}/roles"
	codes := []domain.Code{domain.NotPermitted, domain.ExceedsOwnAccess, domain.ModuleNotAllowed, domain.AccountClosed}
	add(s, operation{id: "ListRoles", method: http.MethodGet, path: at, tag: "roles", summary: "The roles of an account, and every permission there is",
		description: "Those of the portal, those defined in the account, and those defined above it.",
		etag:        true, senior: within(domain.RolesRead), codes: []domain.Code{domain.NotPermitted, codePosition}}, listRoles)
	add(s, operation{id: "GetRole", method: http.MethodGet, path: at + "/{role}", tag: "roles", summary: "A role",
		senior: within(domain.RolesRead), codes: []domain.Code{domain.NotPermitted, codePosition}}, getRole)
	add(s, operation{id: "DefineRole", method: http.MethodPut, path: at + "/{role}", tag: "roles", summary: "Define a role, or replace its definition",
		description: "For the account and what is below it. Nobody puts into a role what they do not hold.",
		command:     true, ifMatch: true, senior: within(domain.RolesDefine), codes: codes}, defineRole)
	add(s, operation{id: "WithdrawRole", method: http.MethodDelete, path: at + "/{role}", tag: "roles", summary: "Take a role away",
		description: "Whoever still has it has nothing by it from that moment.",
		command:     true, ifMatch: true, senior: within(domain.RolesDefine), codes: append(codes, domain.Inherited)}, withdrawRole)
	add(s, operation{id: "ListModules", method: http.MethodGet, path: "/v1/operator/modules", tag: "operator", summary: "The portal's modules",
		codes: []domain.Code{domain.NotPermitted}}, listModules)
	add(s, operation{id: "DeclareModules", method: http.MethodPut, path: "/v1/operator/modules", tag: "operator", summary: "Declare the portal's modules",
		description: "Replaces the list. Permissions are module:action.", command: true, senior: operatorOnly}, declareModules)
}

type roleBody struct {
	ID          string   `json:"id"`
	Label       string   `json:"label"`
	BuiltIn     bool     `json:"built_in"`
	DefinedIn   *string  `json:"defined_in" doc:"The account that has defined it"`
	Permissions []string `json:"permissions" nullable:"false" doc:"Of those that there are now"`
}

type rolesBody struct {
	Items       []roleBody `json:"items" nullable:"false"`
	NextCursor  *string    `json:"next_cursor"`
	Position    uint64     `json:"position"`
	Permissions []string   `json:"permissions" nullable:"false" doc:"Every permission that a role can have"`
}

func roleOf(r *domain.Role, catalog []domain.Permission) roleBody {
	out := roleBody{ID: r.Name, Label: r.Label, BuiltIn: r.Built(), Permissions: []string{}}
	if !r.Built() {
		account := r.Account.String()
		out.DefinedIn = &account
	}
	for _, p := range catalog {
		if r.Holds(p) {
			out.Permissions = append(out.Permissions, p)
		}
	}
	return out
}

// roles are those that an account knows.
func (r *request) roles(account events.AccountID) ([]*domain.Role, error) {
	list, _, _, err := r.App.Roles(r.ctx, account)
	return list, err
}

func (r *request) rolesOf(account events.AccountID) (rolesBody, error) {
	if _, err := r.mayIn(account, domain.RolesRead); err != nil {
		return rolesBody{}, err
	}
	list, catalog, position, err := r.App.Roles(r.ctx, account)
	out := rolesBody{Items: []roleBody{}, Permissions: catalog, Position: position}
	for _, role := range list {
		out.Items = append(out.Items, roleOf(role, catalog))
	}
	return out, err
}

func listRoles(ctx context.Context, r *request, in *AccountParam) (*Reply[rolesBody], error) {
	account, err := accountID(in.Account)
	if err != nil {
		return nil, err
	}
	out, err := r.rolesOf(account)
	if err != nil {
		return nil, err
	}
	a, _, err := r.App.Account(ctx, account)
	if err != nil {
		return nil, err
	}
	r.tag(a.RolesVersion)
	return &Reply[rolesBody]{out}, r.atLeast(out.Position)
}

// RoleParam names a role of an account.
type RoleParam struct {
	AccountParam
	Role string `path:"role" maxLength:"100"`
}

func getRole(_ context.Context, r *request, in *RoleParam) (*Reply[roleBody], error) {
	account, err := accountID(in.Account)
	if err != nil {
		return nil, err
	}
	out, err := r.rolesOf(account)
	if err != nil {
		return nil, err
	}
	for _, role := range out.Items {
		if role.ID == in.Role {
			return &Reply[roleBody]{role}, r.atLeast(out.Position)
		}
	}
	return nil, nowhere()
}

type defineRoleInput struct {
	RoleParam
	Body struct {
		Label       string   `json:"label,omitempty"`
		Permissions []string `json:"permissions" nullable:"false"`
	}
}

func defineRole(_ context.Context, r *request, in *defineRoleInput) (*Reply[roleBody], error) {
	account, err := accountID(in.Account)
	if err != nil {
		return nil, err
	}
	if _, err := r.do(domain.DefineRole{Account: account, Role: in.Role, Label: in.Body.Label, Permissions: in.Body.Permissions}); err != nil {
		return nil, err
	}
	list, catalog, _, err := r.App.Roles(r.ctx, account)
	if err != nil {
		return nil, err
	}
	for _, role := range list {
		if role.Name == in.Role {
			return reply(roleOf(role, catalog))
		}
	}
	return nil, nowhere() // withdrawn since
}

type withdrawnBody struct {
	ID string `json:"id"`
}

func withdrawRole(_ context.Context, r *request, in *RoleParam) (*Reply[withdrawnBody], error) {
	account, err := accountID(in.Account)
	if err != nil {
		return nil, err
	}
	if _, err := r.do(domain.WithdrawRole{Account: account, Role: in.Role}); err != nil {
		return nil, err
	}
	return reply(withdrawnBody{in.Role})
}

type moduleBody struct {
	Name    string   `json:"name"`
	Label   string   `json:"label,omitempty"`
	Actions []string `json:"actions" nullable:"false"`
}

type modulesBody struct {
	Modules []moduleBody `json:"modules" nullable:"false"`
}

func (r *request) modules() (*Reply[modulesBody], error) {
	p, _, err := r.App.Portal(r.ctx)
	if err != nil {
		return nil, err
	}
	out := modulesBody{Modules: []moduleBody{}}
	for _, m := range p.Modules {
		out.Modules = append(out.Modules, moduleBody(m))
	}
	return reply(out)
}

func listModules(_ context.Context, r *request, _ *struct{}) (*Reply[modulesBody], error) {
	if err := operatorOnly(r); err != nil {
		return nil, err
	}
	return r.modules()
}

func declareModules(_ context.Context, r *request, in *struct{ Body modulesBody }) (*Reply[modulesBody], error) {
	cmd := domain.DeclareModules{}
	for _, m := range in.Body.Modules {
		cmd.Modules = append(cmd.Modules, events.Module(m))
	}
	if _, err := r.do(cmd); err != nil {
		return nil, err
	}
	return r.modules()
}
