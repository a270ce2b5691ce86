package bench

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"roster/events"
	"roster/handlers/web"
)

// shownPage is a page that is measured, and a word without which it is another page than was meant.
type shownPage struct{ name, path, says string }

func shownPages(crowd firm, scale int) []shownPage {
	at := "/accounts/" + crowd.id.String()
	person := fmt.Sprintf("person%d@", scale/2)
	return []shownPage{
		{"users", at + "/users", `name="user"`},
		{"search", at + "/users?q=" + url.QueryEscape(person), person},
		{"user", at + "/users/" + crowd.member.String(), person},
		{"invite", at + "/invite", `name="emails"`},
		{"roles", at + "/roles", "rowgroup"},
		{"policy", at + "/policy", "<form"},
		{"audit", at + "/audit", "<tbody>"},
		{"accounts", "/accounts", "Crowd"},
		{"across", "/users", "Crowd"},
		{"me", "/me", "time_zone"},
	}
}

const (
	pageCallers = 4
	pageLimit   = 150 // KB, of one page without the sheet and the scripts that a browser keeps
)

// pagesShown measures the pages as a browser asks for them, one person's after the other, on an account of many.
func pagesShown(ctx context.Context, l *lab) error {
	p, err := l.portal(ctx)
	if err != nil {
		return err
	}
	crowd, _, err := p.crowd(ctx, l.o.Scale, true)
	if err != nil {
		return err
	}
	if err := p.joined(ctx, crowd); err != nil {
		return err
	}
	models, pool, err := l.projected(ctx, p)
	if err != nil {
		return err
	}
	if err := settle(ctx, pool); err != nil {
		return err
	}
	api, err := p.api(models)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	if err := web.Mount(mux, web.Config{App: p.app, Access: p.access, Links: links{p.keys}, PublicURL: "http://localhost:8080", API: api}); err != nil {
		return err
	}
	address, err := l.serve(ctx, mux)
	if err != nil {
		return err
	}
	idle, err := l.serve(ctx, http.HandlerFunc(empty))
	if err != nil {
		return err
	}
	for _, page := range shownPages(crowd, l.o.Scale) {
		if err := l.measurePage(ctx, page, crowd, address, idle); err != nil {
			return err
		}
	}
	return nil
}

// joined has the owner's own user know of the account, as it does where somebody accepts an invitation.
func (p *portal) joined(ctx context.Context, f firm) error {
	l, user := newLoader(p), events.OfUser(f.owner.id)
	if err := l.goOn(ctx, user); err != nil {
		return err
	}
	if err := l.commit(ctx, user, f.owner.actor(), "AcceptInvitation", events.UserJoined{Account: f.id}); err != nil {
		return err
	}
	return l.flush(ctx)
}

// measurePage measures a page beside an empty answer over HTTP.
func (l *lab) measurePage(ctx context.Context, page shownPage, crowd firm, address, idle string) error {
	name := "pages/" + page.name
	if !l.wanted(name) {
		return nil
	}
	ask := []byte("GET " + page.path + " HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: bench\r\nCookie: " + web.SessionCookie(false) + "=" + crowd.owner.token + "\r\n\r\n")
	clients, err := l.clients(ctx, address, 1)
	if err != nil {
		return err
	}
	body, err := clients[0].ask(ask, true)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if !strings.Contains(string(body), page.says) {
		return fmt.Errorf("%s does not say %q", name, page.says)
	}
	over, err := l.getting(ctx, name, address, ask, pageCallers)
	if err != nil {
		return err
	}
	none, err := l.getting(ctx, "http/empty", idle, ask, pageCallers)
	if err != nil {
		return err
	}
	none.share = 0.25
	got, err := l.race(ctx, over, none)
	if err != nil {
		return err
	}
	l.row(p95("ms p95", 1).row(name, got[0], &got[1], atMost(100, "ms")))
	size := float64(len(body)) / 1024
	weight := Row{Name: name + "/size", Value: size, Unit: "KB", Low: size, High: size, Count: 1}
	atMost(pageLimit, "KB").judge(&weight)
	l.row(weight)
	return nil
}
