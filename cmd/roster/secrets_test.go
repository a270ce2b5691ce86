package main_test

import (
	"bytes"
	"encoding/base64"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSecrets: passwords, tokens and links are in no file of the data but the inbox's and the operator's key's; names
// and addresses in none of the log and the vault; neither on standard error.
func TestSecrets(t *testing.T) {
	t.Parallel()
	r := serve(t, dataDir(t), "--log-level", "debug")
	account, ann := r.setUp()
	at := "/v1/accounts/" + account
	bob, bobby := r.join(ann, account, "bob.canary@northwind.example", "admin")
	ann.post(at+"/invitations", m{"emails": "Eve Birdsong <eve.canary@northwind.example>, dan.canary@northwind.example", "roles": []string{"viewer"}}).Want(200)
	r.as("").post("/v1/sessions", m{"email": "bob.canary@northwind.example", "password": "Wrong-canary-9"}).Want(401, "bad_credentials")
	r.as("").post("/v1/sessions", m{"email": "stranger.canary@northwind.example", "password": "Wrong-canary-9"}).Want(401, "bad_credentials")
	r.as("").post("/v1/sessions", m{"email": "bob.canary@northwind.example", "password": 7}).Want(422)
	links := []string{r.link("eve.canary@northwind.example", 1), r.link("dan.canary@northwind.example", 1), r.link("bob.canary@northwind.example", 1)}
	r.as("").post("/v1/invitations/"+links[1]+"/accept", m{"first_name": "Dan", "last_name": "Birdsong", "password": "short-canary"}).Want(422)
	r.as("").post("/v1/invitations/"+links[0]+"/decline", nil).Want(200)
	r.as("").get("/v1/invitations/" + links[1][:90]).Want(404)
	bobby.post(at+"/users/"+bob+"/revoke", m{"reason": "Birdsong has left"}).Want(403)
	ann.post(at+"/users/"+bob+"/suspend", m{"reason": "Birdsong is on leave"}).Want(200)
	bobby.get(at).Want(403)
	r.as("rs_canary").get("/v1/me").Want(401)
	operator := r.as(r.operatorKey())
	operator.post("/v1/accounts", m{"name": "Fjord", "owner": m{"email": "olaf.canary@fjord.example", "first_name": "Olaf", "last_name": "Birdsong"}}).Want(201)
	r.link("olaf.canary@fjord.example", 1)
	if list := string(ann.get(at + "/audit?limit=200&q=birdsong").Want(200).Body); !strings.Contains(list, "Birdsong") {
		t.Errorf("the audit trail does not read what is sealed: %s", list)
	}
	r.stop()

	secrets := map[string][]byte{"a password": []byte(password), "a wrong password": []byte("Wrong-canary-9"), "a refused password": []byte("short-canary")}
	for name, token := range map[string]string{"a session": ann.token[3:], "another session": bobby.token[3:], "the operator's key": operator.token[3:],
		"a link": links[0], "another link": links[1], "a used link": links[2], "the setup link": r.Setup[strings.LastIndex(r.Setup, "/")+1:]} {
		raw, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil {
			t.Fatal(err)
		}
		secrets[name] = []byte(token[len(token)-40:]) // its secret, or signature, and not only the ids in it
		secrets[name+" in bytes"] = raw[len(raw)-24 : len(raw)-4]
	}
	for name, secret := range secrets {
		if said := strings.ReplaceAll(r.stderr.String(), r.Setup, ""); strings.Contains(said, string(secret)) {
			t.Errorf("%s is on standard error: %s", name, said)
		}
	}
	personal := [][]byte{[]byte("canary"), []byte("birdsong"), []byte("northwind.example")}
	for _, word := range personal {
		if bytes.Contains(bytes.ToLower([]byte(r.stderr.String())), word) {
			t.Errorf("%s is on standard error: %s", word, r.stderr)
		}
	}
	files, found := 0, map[string]bool{}
	err := filepath.WalkDir(r.Data, func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(r.Data, path)
		if err != nil || !d.Type().IsRegular() || name == "operator.key" || name == "keyring.json" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		for what, secret := range secrets {
			if !bytes.Contains(text, secret) {
				continue
			}
			if found[what] = true; !strings.HasPrefix(name, "inbox"+string(filepath.Separator)) {
				t.Errorf("%s holds %s", name, what)
			}
		}
		// The feed tells about people in clear, for 30 days and until they are erased (DESIGN 6).
		if strings.HasPrefix(name, "log") && !strings.Contains(name, "ROSTER_FEED") {
			for _, word := range personal {
				if bytes.Contains(bytes.ToLower(text), word) {
					t.Errorf("%s holds %s", name, word)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 100 || !found["a link"] { // the scan finds what is there
		t.Errorf("%d files were read, links found in the inbox: %t", files, found["a link"])
	}
}
