package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
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
	r.setUp()

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

	for _, path := range []string{"/operator", "/operator/projections", "/operator/nowhere"} {
		b.looks(path, 1600, "light")
		b.looks(path, 360, "dark")
		b.looks(path, 1600, "dark")
	}
}
