package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/chromedp/chromedp"
)

// inviting is how many are invited at once, typed or from a file, and how what was done is taken back.
func inviting(s *story) {
	s.given("SPEC 1.4: invitations go to the addresses of one domain")
	ida := s.first("ida", "Owner")
	api, at := ida.api(), "/v1"+s.at
	api.put(at+"/policy", m{"domains": []string{"northwind.example"}}).Want(200)

	s.when("SPEC 2.1: Ida pastes 500 addresses, in several forms")
	list := []string{ida.email, "IDA@northwind.example", "nobody", "two@@northwind.example", "Eve Elsewhere <eve@elsewhere.example>"}
	for n := range 496 { // the address of hers collapses to one
		list = append(list, fmt.Sprintf([]string{"p%03d@northwind.example", "Person <p%03d@northwind.example>"}[n%2], n))
	}
	ida.presses("Invite people")
	ida.ticks(`input[name="role"][value="viewer"]`)
	separators := []string{", ", "; ", "\n", "\t"}
	var pasted strings.Builder
	for n, one := range list {
		pasted.WriteString(one + separators[n%len(separators)])
	}
	ida.do(chromedp.Evaluate(`(() => { const e = document.getElementById("emails"); e.value = `+quoted(pasted.String())+`; e.dispatchEvent(new InputEvent("input", {bubbles: true})); })()`, nil))
	s.then("SPEC 2.1: she sees what would become of each before anything is sent")
	ida.until(`document.querySelectorAll("#chips li").length === 500`)
	ida.reads("496: Invited", "1: Is a member already", "2: Not an e-mail address", "1: Domain not allowed by the policy")
	ida.until(`[...document.querySelectorAll("#chips li.bad")].some(li => li.innerText.includes("eve@elsewhere.example") && li.innerText.includes("Domain not allowed"))`)
	if n := api.get(at + "/users").Want(200).JSON()["counts"].(m)["pending"]; n != 0.0 {
		s.Errorf("%v are invited already", n)
	}
	ida.do(chromedp.Evaluate(`document.getElementById("emails").form.requestSubmit()`, nil)) // a table of 500 is not looked at row by row
	s.then("SPEC 2.1: one bad address loses none of the good ones")
	ida.reads("What became of each address", "Domain not allowed by the policy")
	if n := api.get(at + "/users").Want(200).JSON()["counts"].(m)["pending"]; n != 496.0 {
		s.Errorf("%v are invited", n)
	}

	s.when("SPEC 2.1: she has a file with a row that cannot be read")
	ida.goes(s.at + "/invite/csv")
	ida.uploads("email,roles\nx@northwind.example,viewer\ny@northwind.example,viewer,more\n")
	s.then("SPEC 2.1: she is told which")
	ida.reads("Line 3: More fields than columns: email, roles")
	s.when("SPEC 2.1: the file can be read")
	ida.uploads("email,first_name,last_name,roles,account\nzoe@northwind.example,Zoë,Lind,viewer,\np001@northwind.example,,,viewer,\nyan@elsewhere.example,,,viewer,\n")
	s.then("SPEC 2.1: each row has its outcome, before and after")
	ida.row("zoe@northwind.example", "2", "Is invited")
	ida.row("p001@northwind.example", "3", "Has an open invitation already")
	ida.row("yan@elsewhere.example", "4", "Domain not allowed by the policy")
	ida.presses("Invite 1 person")
	ida.row("zoe@northwind.example", "Invited")

	s.when("SPEC 3.11: she suspends Zoe, and somebody else changes that")
	zoe := s.person("zoe")
	zoe.follows("Viewer")
	id := ida.id(zoe.email)
	ida.goes(s.at + "/users/" + id + "/suspend")
	ida.sends("#reason")
	api.post(at+"/users/"+id+"/reactivate", m{}).Want(200)
	s.then("SPEC 3.11: it is not taken back, and she is told whom it is about")
	ida.presses("Undo")
	ida.reads("It has been changed since, so nothing was taken back:", "Zoe Lee", "changed_since")
}

// uploads chooses a file on the page and sends it.
func (p *person) uploads(text string) {
	p.t.Helper()
	file := filepath.Join(p.t.TempDir(), "people.csv")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		p.t.Fatalf("%v", err)
	}
	p.do(chromedp.SetUploadFiles("#file", []string{file}, chromedp.ByQuery))
	p.sends("#file")
}
