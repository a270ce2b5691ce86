package main_test

import (
	"html"
	"regexp"
	"strings"
	"testing"
)

// CVE-2025-64101, CVE-2023-49097: whatever a request says of hosts, the links in mails go to the public URL.
func TestLinksGoHome(t *testing.T) {
	t.Parallel()
	r := serve(t, dataDir(t), "--trusted-proxy", "127.0.0.0/8")
	account, ann := r.setUp()
	const evil = "evil.example"
	headers := [][2]string{{"X-Forwarded-Host", evil}, {"X-Forwarded-Proto", "gopher"}, {"X-Forwarded-Port", "666"}, {"X-Forwarded-Server", evil},
		{"Forwarded", "for=1.2.3.4;host=" + evil + ";proto=https"}, {"X-Host", evil}, {"X-Original-Host", evil}, {"X-HTTP-Host-Override", evil},
		{"X-Original-URL", "https://" + evil + "/"}, {"X-Rewrite-URL", "https://" + evil + "/"}, {"X-Forwarded-Prefix", "//" + evil}, {"Referer", "https://" + evil + "/"},
		{"X-Forwarded-For", evil}, {"X-Real-IP", evil}, {"X-Zitadel-Public-Host", evil}, {"X-ProxyUser-Ip", evil}, {"Base-Url", "https://" + evil},
		{"X-Wap-Profile", "https://" + evil}, {"Client-Ip", evil}, {"X-Forwarded-Scheme", "javascript"}}
	owner := "ann@northwind.example"
	for i, h := range headers {
		if i%4 == 0 {
			r.as("").with(h[0], h[1]).post("/v1/password-resets", m{"email": owner}).Want(202)
		}
		ann.with(h[0], h[1]).post("/v1/accounts/"+account+"/invitations", m{"emails": string(rune('a'+i)) + "@northwind.example", "roles": []string{"viewer"}}).Want(200)
	}
	sent := 0
	r.until("all mails", func() bool {
		sent = len(r.mails(owner))
		for i := range headers {
			sent += len(r.mails(string(rune('a'+i)) + "@northwind.example"))
		}
		return sent > len(headers) && len(r.mails(owner)) > 0 // a link that has been replaced already is not mailed
	})
	link := regexp.MustCompile(`[a-z]+://[^\s"'<>]+`)
	for _, to := range []string{owner, "a@northwind.example", "k@northwind.example", "t@northwind.example"} {
		for _, one := range r.mails(to) {
			for _, found := range link.FindAllString(one.Text+" "+one.HTML, -1) {
				if !strings.HasPrefix(found, r.URL) {
					t.Errorf("SPEC 2.3: a mail to %s has the link %s", to, found)
				}
			}
			if strings.Contains(one.Text+one.HTML+one.Subject, evil) {
				t.Errorf("SPEC 2.3: a mail to %s names %s", to, evil)
			}
		}
	}
}

// CVE-2024-41953, CVE-2020-7799: names are text in mails, whatever they look like.
func TestNamesAreText(t *testing.T) {
	t.Parallel()
	r := serve(t, dataDir(t))
	account, ann := r.setUp()
	for i, name := range []string{`<script>alert(1)</script>`, `<img src=x onerror=alert(1)>`, `"><b>bold</b>`, `{{.Link}} ${99*9199} <%= 99*9199 %> #{99*9199}`,
		`</td></table><a href="https://evil.example">click</a>`, "&lt;i&gt;", "<!-- --><style>*{display:none}</style>", "\u202egnp.exe", "a\u0000b"} {
		if strings.ContainsAny(name, "\x00\u202e") {
			ann.do("PATCH", "/v1/me", m{"first_name": name}).Want(422)
			continue
		}
		ann.do("PATCH", "/v1/me", m{"first_name": name, "last_name": "Lee"}).Want(200)
		ann.do("PATCH", "/v1/accounts/"+account, m{"name": name}).Want(200)
		to := string(rune('a'+i)) + "@northwind.example"
		ann.post("/v1/accounts/"+account+"/invitations", m{"emails": to, "roles": []string{"viewer"}}).Want(200)
		r.link(to, 1)
		one := r.mails(to)[0]
		if tag := regexp.MustCompile(`(?i)<(script|img|style|i|b)\b[^>]*>|<a href="https://evil|<!--`).FindString(strings.SplitN(one.HTML, "<body", 2)[1]); tag != "" {
			t.Errorf("RELIABILITY S55: %q becomes %s", name, tag)
		}
		if strings.Contains(one.HTML, "910701") && strings.Contains(name, "99*9199") {
			t.Errorf("RELIABILITY S55: %q was evaluated", name)
		}
		if shown := html.UnescapeString(one.HTML); strings.Contains(name, "99*9199") && !strings.Contains(shown, "${99*9199}") {
			t.Errorf("RELIABILITY S55: %q is not shown: %s", name, shown)
		}
	}
}
