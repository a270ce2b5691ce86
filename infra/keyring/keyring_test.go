package keyring_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"roster/infra/keyring"
)

var day0 = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// counting gives the bytes from, from+1, …
func counting(from byte) io.Reader {
	b := make([]byte, 256)
	for i := range b {
		b[i] = from + byte(i)
	}
	return bytes.NewReader(b)
}

func fixed(t *testing.T) *keyring.Keyring {
	t.Helper()
	return must(keyring.New(counting(0), day0))(t)
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func encoded(t *testing.T, kr *keyring.Keyring) string {
	t.Helper()
	return string(must(kr.Encode())(t))
}

// The values were computed apart from this program, from RFC 5869 and RFC 2104. They never change.
func TestVectors(t *testing.T) {
	kr := fixed(t)
	id, wrap := kr.CurrentWrapKey()
	rotated := must(kr.Rotate(counting(100), day0))(t)
	for _, c := range []struct{ what, got, want string }{
		{"master id", id.String(), "irEQMg"},
		{"fingerprint", kr.Fingerprint(), "IYPhk9GHLrUHg0UfuhhuCPMMyIE0nb2a-pFkQCqcCx0"},
		{"wrap key", fmt.Sprintf("%x", wrap), "77f1e4538cdb5225c54b37eefc5696fbf0ed0885d48c6bd332d54fa5647cebe6"},
		{"address", fmt.Sprintf("%x", kr.AddressHMAC("ann@example.com")), "c49a14b52b3a553f7d35375e8232a7d2778c19eff71c85a66921ad78691e28e9"},
		{"mac", kr.MAC([]byte(`{"command":"ChangeRole"}`)), "irEQMg.Kb_pTKYZoYTkrygt_OxzoxaACi-zzpImmkhuBKV1QFc"},
		{"mac after rotation", rotated.MAC([]byte(`{"command":"ChangeRole"}`)), "u-mqag.MMxTL9PP8ppx_wQEYIXZuokmxYGIQmnFNrdMdq3-WYE"},
	} {
		if c.got != c.want {
			t.Errorf("%s = %s, want %s", c.what, c.got, c.want)
		}
	}
}

func TestRotation(t *testing.T) {
	old := fixed(t)
	kr := must(old.Rotate(counting(100), day0.Add(time.Hour)))(t)
	request := []byte(`{"command":"ChangeRole"}`)

	if kr.Fingerprint() != old.Fingerprint() {
		t.Error("rotation changed the fingerprint")
	}
	if kr.AddressHMAC("ann@example.com") != old.AddressHMAC("ann@example.com") {
		t.Error("rotation changed the blinded address")
	}
	if !kr.VerifyMAC(request, old.MAC(request)) || !kr.VerifyMAC(request, kr.MAC(request)) {
		t.Error("a MAC of an older key must go on verifying")
	}
	if old.VerifyMAC(request, kr.MAC(request)) {
		t.Error("a MAC of an unknown key verified")
	}
	oldID, oldWrap := old.CurrentWrapKey()
	newID, newWrap := kr.CurrentWrapKey()
	if oldID == newID || oldWrap == newWrap {
		t.Error("rotation did not change the wrapping key")
	}
	if got, ok := kr.WrapKey(oldID); !ok || got != oldWrap {
		t.Error("the older wrapping key is gone")
	}
	if _, ok := old.WrapKey(newID); ok {
		t.Error("a wrapping key from nowhere")
	}
	again := must(keyring.Parse([]byte(encoded(t, kr))))(t)
	if encoded(t, again) != encoded(t, kr) || again.MintLink(keyring.Link{Purpose: 1}) != kr.MintLink(keyring.Link{Purpose: 1}) {
		t.Error("reading what was written gives another keyring")
	}
	if _, err := kr.Rotate(counting(100), day0); err == nil {
		t.Error("the same key twice was accepted")
	}
	if _, err := kr.Rotate(bytes.NewReader(nil), day0); err == nil {
		t.Error("rotated without randomness")
	}
}

func TestVerifyMACRefuses(t *testing.T) {
	kr := fixed(t)
	request := []byte("request")
	good := kr.MAC(request)
	if !kr.VerifyMAC(request, good) {
		t.Fatal("the MAC does not verify")
	}
	for i := range len(good) {
		bad := []byte(good)
		bad[i] ^= 1
		if kr.VerifyMAC(request, string(bad)) {
			t.Errorf("edited at %d: verified", i)
		}
	}
	for _, bad := range []string{"", ".", good[:7], good + "A", good + "=", good + "\n", good[7:]} {
		if kr.VerifyMAC(request, bad) {
			t.Errorf("%q verified", bad)
		}
	}
	if kr.VerifyMAC([]byte("another"), good) {
		t.Error("another request verified")
	}
}

func TestParseRefuses(t *testing.T) {
	good := encoded(t, must(fixed(t).Rotate(counting(100), day0))(t))
	id, _ := fixed(t).CurrentWrapKey()
	for name, bad := range map[string]string{
		"nothing":         "",
		"not JSON":        "secret",
		"version 2":       strings.Replace(good, `"v": 1`, `"v": 2`, 1),
		"unknown field":   strings.Replace(good, `"v": 1`, `"v": 1, "x": 1`, 1),
		"two values":      good + good,
		"other id":        strings.ReplaceAll(good, id.String(), "AAAAAA"),
		"edited key":      strings.Replace(good, `"key": "AAEC`, `"key": "BAEC`, 1),
		"short key":       strings.Replace(good, `"key": "AAEC`, `"key": "`, 1),
		"no keys":         `{"v":1,"keys":[],"links":[]}`,
		"no links":        good[:strings.Index(good, `"links"`)] + `"links":[]}`,
		"generation":      strings.Replace(good, `"generation": 2`, `"generation": 3`, 1),
		"not retired":     strings.Replace(good, `"retired"`, `"made"`, 1),
		"padded key":      strings.Replace(good, `Hh8"`, `Hh8="`, 1),
		"id with newline": strings.Replace(good, id.String()[:5], id.String()[:5]+`\n`, 1),
	} {
		if bad == good {
			t.Fatalf("%s: the test does not edit", name)
		}
		if _, err := keyring.Parse([]byte(bad)); err == nil {
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), "AAEC") {
			t.Errorf("%s: the error shows the key: %v", name, err)
		}
	}
}

func TestPrintsNoKey(t *testing.T) {
	kr := fixed(t)
	for _, text := range []string{fmt.Sprint(kr), fmt.Sprintf("%+v %#v %s %q", kr, kr, kr, kr)} {
		if strings.Contains(text, "AAECAw") || strings.Contains(text, "0x1, 0x2") || strings.Contains(text, "0 1 2 3") {
			t.Errorf("a key is printed: %s", text)
		}
	}
}

func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "keyring.json")
	kr, created, err := keyring.Load(path, "", day0)
	if err != nil || !created {
		t.Fatal(created, err)
	}
	info := must(os.Stat(path))(t)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %o", info.Mode().Perm())
	}
	if names := must(os.ReadDir(filepath.Dir(path)))(t); len(names) != 1 {
		t.Errorf("left over: %v", names)
	}
	again, created, err := keyring.Load(path, " \n", day0)
	if err != nil || created || again.Fingerprint() != kr.Fingerprint() {
		t.Fatal(created, err)
	}
	other := must(keyring.New(counting(9), day0))(t)
	env, created, err := keyring.Load(path, encoded(t, other), day0)
	if err != nil || created || env.Fingerprint() != other.Fingerprint() {
		t.Fatal("the environment does not come first", created, err)
	}
	if _, _, err := keyring.Load(path, "{}", day0); err == nil {
		t.Error("a broken value was passed over")
	}
	rotated := must(kr.Rotate(counting(50), day0))(t)
	if err := rotated.Save(path); err != nil {
		t.Fatal(err)
	}
	if saved, _, err := keyring.Load(path, "", day0); err != nil || encoded(t, saved) != encoded(t, rotated) {
		t.Error("Save and Load differ", err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, _, err := keyring.Load(path, "", day0); err == nil || !strings.Contains(err.Error(), "0600") {
		t.Error("a file that others may read was accepted:", err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, created, err := keyring.Load(path, "", day0); err == nil || created {
		t.Error("an empty file was taken or replaced")
	}
}

func TestFirstStartsAgree(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keyring.json")
	var (
		wg      sync.WaitGroup
		mu      sync.Mutex
		prints  = map[string]int{}
		creates int
	)
	for range 8 {
		wg.Go(func() {
			kr, created, err := keyring.Load(path, "", day0)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
				return
			}
			prints[kr.Fingerprint()]++
			if created {
				creates++
			}
		})
	}
	wg.Wait()
	if len(prints) != 1 || creates != 1 {
		t.Errorf("%d keyrings, made %d times", len(prints), creates)
	}
}
