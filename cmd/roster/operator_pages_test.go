package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// key is the operator's first key, as the first start has left it.
func (r *running) key() string {
	r.t.Helper()
	text, err := os.ReadFile(filepath.Join(r.Data, "operator.key"))
	if err != nil {
		r.t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// operates signs the operator in by the page.
func (b *tab) operates() {
	b.t.Helper()
	b.open("/operator")
	b.fill("key", b.r.key())
	b.click("Sign in")
	b.sees("How the installation of")
}

// TestOperatorPages walks through the operator's pages in a real browser (SPEC 7.2, 7.3), and then looks at each of them
// in both themes, wide and narrow.
func TestOperatorPages(t *testing.T) {
	t.Parallel()
	r := serve(t, dataDir(t), "--portal-name", "Northwind portal", "--accent", "#0b6e4f")
	account, ann := r.setUp()
	bob, bobby := r.join(ann, account, "bob.stone@northwind.example", "admin")
	bobby.do("PATCH", "/v1/me", m{"first_name": "Bob", "last_name": "Stone"}).Want(200)
	ann.do("PATCH", "/v1/accounts/"+account, m{"name": "Northwind"}).Want(200)
	sub := ann.post("/v1/accounts", m{"name": "Northwind Labs", "parent": account}).Want(201).JSON()["id"].(string)

	b := r.browse("en")
	b.looks("/operator/sign-in", 1600, "light")
	b.looks("/operator/sign-in", 360, "dark")
	b.open("/operator/projections")
	b.fill("key", "ro_none")
	b.click("Sign in")
	b.sees("This is no operator key that is valid here.")
	b.fill("key", r.key())
	b.click("Sign in")
	b.sees("Build anew") // where it was headed for

	// SPEC 8.2: a read model is built anew while it serves; the page follows by itself until it is done.
	b.click("Build anew: user_list")
	b.until(`document.body.innerText.includes("has been built anew") || document.body.innerText.includes("is being built anew")`)
	b.until(`!document.querySelector("progress") && document.querySelectorAll("#models tbody tr").length === 5`)
	b.until(`[...document.querySelectorAll("#models tbody tr")].find(tr => tr.innerText.includes("user_list")).innerText.includes("built 2")`)
	b.sees("Serving")

	// An account that is to be closed has to be named; what would happen is said before.
	b.open("/operator/accounts")
	b.do(chromedp.SendKeys("#q", "labs", chromedp.ByQuery))
	b.until(`document.querySelectorAll("#list tbody tr").length === 1`)
	b.sees("Northwind Labs")
	at := "/operator/accounts/"
	b.open(at + sub + "/close")
	b.sees("1 account is closed")
	b.fill("typed", "Northwind")
	b.do(chromedp.Submit("#typed", chromedp.ByQuery))
	b.sees("Nothing was done.")
	b.fill("typed", "Northwind Labs")
	b.do(chromedp.Submit("#typed", chromedp.ByQuery))
	b.sees("Northwind Labs is closed.")
	b.open(at + account + "/owner?q=bob")
	b.click("Choose: Bob Stone")
	b.sees("The roles of 1 person change")
	b.click("Make a user an owner")
	b.sees("Northwind has a new owner.")
	b.sees("bob.stone@northwind.example")

	// SPEC 4.10: a user is found by the address, locked after a look at what that comes to, and unlocked again.
	b.open("/operator/users")
	b.do(chromedp.SendKeys("#q", "bob.stone", chromedp.ByQuery))
	b.until(`document.querySelectorAll("#list tbody tr").length === 1`)
	b.click("Bob Stone")
	b.sees("Signed in on")
	b.click("Lock")
	b.sees("1 user is locked")
	b.fill("reason", "Lost laptop")
	b.do(chromedp.Submit("#reason", chromedp.ByQuery))
	b.sees("Bob Stone is locked.")
	bobby.get("/v1/me").Want(401)
	cara, carly := r.join(ann, account, "cara.diaz@northwind.example", "viewer")
	carly.do("PATCH", "/v1/me", m{"first_name": "Cara", "last_name": "Diaz"}).Want(200)
	b.shoot("/operator/users", "operator.png", 1280, 560, "light")
	users := "/operator/users/"
	b.open(users + bob)
	b.click("Unlock")
	b.sees("1 user is unlocked")
	b.click("Unlock")
	b.sees("Bob Stone is unlocked.")

	// SPEC 5.5: whoever is erased has to be named by their address.
	b.open(users + cara + "/erase")
	b.sees("1 user is erased")
	b.fill("typed", "cara")
	b.do(chromedp.Submit("#typed", chromedp.ByQuery))
	b.sees("Nothing was done.")
	b.looks(users+cara+"/erase", 360, "dark")
	b.fill("typed", "cara.diaz@northwind.example")
	b.do(chromedp.Submit("#typed", chromedp.ByQuery))
	b.sees("has been erased.")

	// SPEC 2.11: what became of the mails.
	b.open("/operator/mails?outcome=sent")
	b.until(`[...document.querySelectorAll("tbody tr")].filter(tr => tr.innerText.includes("Invitation") && tr.innerText.includes("Northwind") && tr.innerText.includes("Sent")).length >= 2`)
	b.open("/operator/mails?outcome=bounced")
	b.sees("No mail.")

	operator := r.as(r.key())
	list := operator.get("/v1/operator/mails?outcome=sent&limit=1").Want(200).JSON()["items"].([]any)
	if len(list) != 1 || list[0].(m)["kind"] == "" || list[0].(m)["outcome"] != "sent" || list[0].(m)["done_at"] == nil {
		t.Errorf("SPEC 2.11: %v", list)
	}
	operator.get("/v1/operator/mails?outcome=lost").Want(422, "invalid")
	ann.get("/v1/operator/mails").Want(403, "not_permitted")

	// The list of mails goes on over pages, each mail once.
	var many []string
	for n := range 50 {
		many = append(many, fmt.Sprintf("p%02d@northwind.example", n))
	}
	ann.post("/v1/accounts/"+account+"/invitations", m{"emails": many, "roles": []string{"viewer"}}).Want(200)
	r.until("the mails are in the outbox", func() bool {
		return len(operator.get("/v1/operator/mails?limit=500").Want(200).JSON()["items"].([]any)) > 50
	})
	all := map[any]bool{}
	for path := "/v1/operator/mails?limit=20"; path != ""; {
		page := operator.get(path).Want(200).JSON()
		for _, one := range page["items"].([]any) {
			all[one.(m)["event"]] = true
		}
		path = ""
		if next, ok := page["next_cursor"].(string); ok {
			path = "/v1/operator/mails?limit=20&cursor=" + next
		}
	}
	if whole := operator.get("/v1/operator/mails?limit=500").Want(200).JSON()["items"].([]any); len(all) != len(whole) {
		t.Errorf("SPEC 2.11: the pages have %d mails of %d", len(all), len(whole))
	}
	operator.get("/v1/operator/mails?outcome=sent&cursor=x").Want(422, "invalid")
	b.open("/operator/mails")
	b.click("Next page")
	b.until(`location.search.includes("cursor=") && document.querySelectorAll("tbody tr").length === ` + fmt.Sprint(len(all)-50))

	// SPEC 3.1: from an account to its users, and to one of them.
	b.open(at + account)
	b.click("Users of this account")
	b.until(`document.querySelector("h1").innerText === "Users of Northwind"`)
	b.do(chromedp.SendKeys("#q", "bob", chromedp.ByQuery))
	b.until(`document.querySelectorAll("#list tbody tr").length === 1`)
	b.click("Bob Stone")
	b.sees("Erase for good")

	// SPEC 5.1, 5.2: the trail of everything, with the filters that an account's has.
	b.open("/operator/audit")
	b.sees("Everything that happened in the installation")
	b.open("/operator/audit?action=user.locked")
	b.until(`(() => { const rows = [...document.querySelectorAll(".table > table > tbody > tr")].map(tr => tr.innerText);
		return rows.length > 0 && rows.every(r => r.includes("Locked") && r.includes("Bob Stone")); })()`)

	paths := []string{"/operator/audit", "/operator/audit?q=nobody-there", "/operator/mails", "/operator/mails?outcome=bounced", users + bob, users + bob + "/lock", users + bob + "/erase", users + cara, "/operator/users", "/operator/users?q=nobody", at + account, at + account + "/users", at + sub, at + account + "/close", at + account + "/adopt", at + account + "/owner?q=bob", at + account + "/owner?user=" + bob,
		"/operator/accounts", "/operator/accounts?q=nobody", "/operator", "/operator/projections", "/operator/nowhere"}
	b.speaksGerman(paths...)
	for _, path := range paths {
		b.looks(path, 1600, "light")
		b.looks(path, 360, "dark")
	}
}
