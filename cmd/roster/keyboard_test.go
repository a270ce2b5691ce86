package main_test

import (
	"fmt"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// tabTo presses Tab until what is called name has the focus.
func (p *person) tabTo(name string) {
	p.t.Helper()
	p.tabUntil(name, func(is, _ string) bool { return is == name })
}

func (p *person) tabToField(id string) {
	p.t.Helper()
	p.tabUntil(id, func(_, is string) bool { return is == id })
}

// tabUntil presses Tab until it has come to something. Wherever it comes by, the focus is seen, and it goes through the
// page in the order in which the page is read (SPEC 7.2).
func (p *person) tabUntil(what string, there func(name, id string) bool) {
	p.t.Helper()
	const look = `(() => { ` + namedScript + `
		const e = document.activeElement, s = getComputedStyle(e), r = e.getBoundingClientRect(), last = window.lastFocus;
		window.lastFocus = e;
		const label = e.labels?.length ? e.labels[0].innerText : e.innerText;
		return {id: e.id, name: (e.getAttribute("aria-label") ?? label ?? "").trim().replace(/\s+/g, " "), nowhere: e === document.body,
			seen: last === e || (s.outlineStyle !== "none" && parseFloat(s.outlineWidth) > 0 || s.boxShadow !== "none") && r.width > 0 && r.right > 0 && r.bottom > 0 && r.top < innerHeight,
			back: !!last && last !== e && last.isConnected && !(last.compareDocumentPosition(e) & Node.DOCUMENT_POSITION_FOLLOWING)}; })()`
	var way []string
	for range 120 {
		p.do(chromedp.KeyEvent(kb.Tab))
		var at struct {
			Name, ID            string
			Nowhere, Seen, Back bool
		}
		p.do(chromedp.Evaluate(look, &at))
		switch {
		case at.Nowhere: // from the end to the beginning again
			continue
		case !at.Seen:
			p.t.Errorf("%s: nobody sees that %q has the focus", p.where(), at.Name)
		case at.Back && len(way) > 0 && at.Name != "Skip to the content":
			p.t.Errorf("%s: Tab goes back from %q to %q", p.where(), way[len(way)-1], at.Name)
		}
		if there(at.Name, at.ID) {
			return
		}
		way = append(way, at.Name)
	}
	p.t.Fatalf("%s: Tab never comes to %q, but to %q", p.where(), what, way)
}

// keys presses keys, one after the other.
func (p *person) keys(keys string) {
	p.t.Helper()
	p.do(chromedp.KeyEvent(keys))
}

// enter comes to a button or link by Tab, presses Enter, and looks at the page that follows.
func (p *person) enter(name string) {
	p.t.Helper()
	p.tabTo(name)
	p.leads(func() { p.keys(kb.Enter) })
}

// skips takes the link that comes first, past all of the navigation.
func (p *person) skips() {
	p.t.Helper()
	p.tabTo("Skip to the content")
	p.keys(kb.Enter)
	p.until(`document.activeElement.id === "main"`)
}

// masterUser is played by the keyboard alone: nothing is clicked.
func masterUser(s *story) {
	s.keyboard = true
	s.given("SPEC 1.2, 9: the first user becomes the master, by the link in a mail")
	max := s.first("max", "Master")

	s.when("SPEC 2.1, 9: he invites somebody with two roles")
	max.skips()
	max.enter("Invite people")
	max.skips()
	max.tabTo("E-mail addresses")
	max.keys("tim@northwind.example")
	for _, role := range []string{"Technical", "Billing"} {
		max.tabTo(fmt.Sprintf("%s %s", role, max.meaning(role)))
		max.keys(" ")
	}
	max.enter("Send invitations")
	s.then("SPEC 9: an open invitation is listed, without the badge")
	max.row("tim@northwind.example", "Technical", "Billing", "link ends in")
	var badge bool
	max.do(chromedp.Evaluate(`[...document.querySelectorAll("tbody tr")].find(tr => tr.innerText.includes("tim@")).querySelector(".status.is-pending") !== null`, &badge))
	if badge {
		s.Errorf("an open invitation has a badge")
	}

	s.when("SPEC 9: Tim confirms by the link in his mail")
	tim := s.person("tim")
	tim.follows("Max Lee", s.company, "Technical", "Billing")
	tim.enters()
	s.then("SPEC 9: master alone administers users")
	tim.lacks("Invite people")
	s.then("SPEC 9: he is Active, and the badge is there")
	max.goes(s.at + "/users")
	max.row("tim@northwind.example", "Active")
	s.then("SPEC 9: there is a contact role Contractual")
	max.goes(s.at + "/contacts/new")
	max.reads("Contractual")

	s.when("SPEC 9: Max comes to Tim's menu, opens it, and closes it by Escape")
	max.goes(s.at + "/users")
	max.skips()
	max.tabTo("Actions for Tim Lee")
	max.keys(" ")
	max.until(`document.activeElement.closest("details").open`)
	max.keys(kb.Escape)
	max.until(`!document.querySelector("details[data-menu][open]") && document.activeElement.matches("summary")`)
	s.when("SPEC 9: he chooses Remove User there")
	max.keys(kb.Enter)
	max.enter("Remove User")
	s.then("SPEC 9: that asks for a confirmation")
	max.reads("The access of 1 person ends", "Type tim@northwind.example")
	max.skips()
	max.tabTo("Confirm")
	max.keys("tom")
	max.leads(func() { max.keys(kb.Enter) })
	max.reads("Nothing was done.")
	max.skips()
	max.tabTo("Confirm")
	max.keys("tim@northwind.example")
	max.enter("Remove User")
	s.then("SPEC 9: and he is gone")
	max.unlisted("tim@northwind.example")
	s.then("SPEC 3.11: which can be taken back")
	max.skips()
	max.enter("Undo")
	max.row("tim@northwind.example", "Active")
	s.then("SPEC 5.1: all of it stands in the audit trail")
	max.trail([3]string{"Max Lee", "Access revoked", "Tim Lee"})
}

// meaning is what stands beside a role on a form.
func (p *person) meaning(role string) string {
	p.t.Helper()
	var text string
	p.do(chromedp.Evaluate(`[...document.querySelectorAll("label.choice span")].find(s => s.innerText.startsWith(`+quoted(role)+`)).querySelector("small").innerText`, &text))
	return text
}
