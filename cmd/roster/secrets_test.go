package main_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // RFC 6238
	"encoding/base32"
	"encoding/base64"
	big "encoding/binary"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
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
	more := r.moreSecrets(bobby)
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
	maps.Copy(secrets, more)
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
	if files < 100 || !found["a link"] || !found["a reset link"] || !found["a link to confirm an address"] { // the scan finds what is there
		t.Errorf("%d files were read, links found in the inbox: %t", files, found["a link"])
	}
}

// moreSecrets has somebody get each secret that one's own user has: an authenticator's seed, recovery codes, the challenge
// between two steps, links to choose a password and to confirm an address, passwords before and after (SPEC 4, 6.4).
func (r *running) moreSecrets(who caller) map[string][]byte {
	r.t.Helper()
	const email, chosen, changed = "bob.canary@northwind.example", "Chosen-kestrel-77", "Changed-kestrel-88"
	secrets := map[string][]byte{"a password chosen anew": []byte(chosen), "a password changed": []byte(changed)}
	seed := who.post("/v1/me/factors", m{"method": "totp", "password": password}).Want(201).JSON()
	secrets["a seed"] = []byte(seed["secret"].(string))
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(seed["secret"].(string))
	if err != nil {
		r.t.Fatal(err)
	}
	secrets["a seed in bytes"] = raw
	who.post("/v1/me/factors/"+seed["id"].(string)+"/verify", m{"code": totp(raw)}).Want(200)
	asked := r.as("").post("/v1/sessions", m{"email": email, "password": password}).Want(202).JSON()["challenge"].(string)
	secrets["a challenge"] = []byte(asked[len(asked)-40:])
	codes := who.post("/v1/me/recovery-codes", m{"password": password}).Want(201).JSON()["codes"].([]any)
	for _, code := range codes {
		secrets["recovery code "+code.(string)] = []byte(code.(string))
		secrets["recovery code "+code.(string)+" without hyphens"] = []byte(strings.ReplaceAll(code.(string), "-", ""))
	}
	r.as("").post("/v1/password-resets", m{"email": email}).Want(202)
	token := r.linkTo(email, "reset")
	secrets["a reset link"] = []byte(token[len(token)-40:])
	r.as("").post("/v1/password-resets/"+token, m{"password": chosen}).Want(200)
	again := r.as("").post("/v1/sessions", m{"email": email, "password": chosen}).Want(202).JSON()["challenge"].(string)
	session := r.as(r.as("").post("/v1/sessions/factor", m{"challenge": again, "code": codes[0]}).Want(201).JSON()["token"].(string))
	session.put("/v1/me/password", m{"current": chosen, "new": changed, "confirm": changed}).Want(200)
	session.post("/v1/me/email", m{"email": "bobby.canary@northwind.example", "password": changed}).Want(202)
	token = r.linkTo("bobby.canary@northwind.example", "confirm")
	secrets["a link to confirm an address"] = []byte(token[len(token)-40:])
	r.as("").post("/v1/confirmations/"+token, nil).Want(200)
	return secrets
}

// linkTo waits for a mail with a link of a kind and answers its token.
func (r *running) linkTo(to, kind string) (token string) {
	r.t.Helper()
	r.until("a link to "+kind, func() bool {
		for _, one := range r.mails(to) {
			if m := regexp.MustCompile(`/` + kind + `/([A-Za-z0-9_-]+)`).FindStringSubmatch(one.Text); m != nil {
				token = m[1]
			}
		}
		return token != ""
	})
	return token
}

// totp is the code of an authenticator app with a seed, now (RFC 6238).
func totp(seed []byte) string {
	mac := hmac.New(sha1.New, seed)
	mac.Write(big.BigEndian.AppendUint64(nil, uint64(time.Now().Unix()/30)))
	sum := mac.Sum(nil)
	return fmt.Sprintf("%06d", big.BigEndian.Uint32(sum[sum[19]&15:])&0x7fffffff%1_000_000)
}
