package main_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestReadme runs the README's tour as it is written.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	tour := regexp.MustCompile("(?s)```bash\n(.*?)```").FindStringSubmatch(string(text))
	if tour == nil {
		t.Fatal("the README has no tour")
	}
	r := serve(t, dataDir(t))
	cmd := exec.Command("bash", "-eu", "-o", "pipefail", "-c", "TOKEN=\n"+tour[1])
	cmd.Env = append(os.Environ(), "ROSTER="+r.URL, "SETUP="+r.Setup[strings.LastIndex(r.Setup, "/")+1:])
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{
		`"email":"bob@northwind.example","outcome":"invited"`, `"email":"carol@northwind.example","outcome":"invited"`,
		`"email":"dora@northwind","outcome":"invalid_address"`, `"inviter":{"name":"Ann Lee"`,
		`"name":"Bob Stone"`, `"status":"pending"`, `"counts":{"active":2`, `"code":"last_active_owner"`, `invitation.accepted,`,
		`"email":"erin@northwind.example","outcome":"invited"`, `"allowed":true,"because":[{"account"`, `"dry_run":true`, `"undoes":"`, `membership.reactivated,`,
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the tour does not answer %s", want)
		}
	}
	if t.Failed() {
		t.Logf("%s", out)
	}
}
