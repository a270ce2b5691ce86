package address

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestNormalize(t *testing.T) {
	long := strings.Repeat("x", 64)
	for _, c := range []struct{ typed, want string }{
		{"ann@example.com", "ann@example.com"},
		{"  Ann.Lee+Tag@EXAMPLE.Com\t", "ann.lee+tag@example.com"},
		{"ann@bücher.example", "ann@xn--bcher-kva.example"},
		{"ann@BÜCHER.example", "ann@xn--bcher-kva.example"},
		{"ann@XN--BCHER-KVA.example", "ann@xn--bcher-kva.example"},
		{"ann@bu\u0308cher.example", "ann@xn--bcher-kva.example"}, // decomposed
		{"ann@straße.example", "ann@xn--strae-oqa.example"},       // not strasse
		{"ann@例え.jp", "ann@xn--r8jz45g.jp"},
		{"ann@пример.рф", "ann@xn--e1afmkfd.xn--p1ai"},
		{"ann@ｅｘａｍｐｌｅ.com", "ann@example.com"}, // full width
		{"ann@example。com", "ann@example.com"}, // ideographic full stop
		{"ann@example.com.", "ann@example.com"},
		{"ann@example.com。", "ann@example.com"},
		{"!#$%&'*+-/=?^_`{|}~@example.com", "!#$%&'*+-/=?^_`{|}~@example.com"},
		{"a@b.co", "a@b.co"},
		{long + "@example.com", long + "@example.com"},
		{"ann@4.example", "ann@4.example"},

		{"", ""}, {"@", ""}, {"ann", ""}, {"ann@", ""}, {"@example.com", ""}, {"ann example.com", ""},
		{"ann@localhost", ""}, {"ann@[192.0.2.1]", ""}, {"ann@192.0.2.1", ""}, {"ann@１９２.0.2.1", ""},
		{"Ann <ann@example.com>", ""}, {"<ann@example.com>", ""}, {`"odd one"@example.com`, ""}, {"ann(comment)@example.com", ""},
		{"ann@lee@example.com", ""}, {".ann@example.com", ""}, {"ann.@example.com", ""}, {"an..n@example.com", ""},
		{"а\u006en@example.com", ""}, {"änn@example.com", ""}, // a Cyrillic look-alike, and beyond ASCII at all
		{"ann@pаypal.example", ""}, // with a Cyrillic а among Latin letters
		{"ann@xn--pypal-4ve.example", ""}, {"ann@gοogle.example", ""},
		{"ann@exam ple.com", ""}, {"ann@exam_ple.com", ""}, {"ann@-example.com", ""}, {"ann@example-.com", ""}, {"ann@.example.com", ""}, {"ann@example..com", ""},
		{"ann@example.com..", ""}, {"ann@example.com。.", ""}, {"ann@.", ""}, {"ann@xn--a.example", ""}, {"ann@xn--.example", ""},
		{long + "x@example.com", ""}, {"ann@" + strings.Repeat("x", 64) + ".com", ""}, {long + "@" + strings.Repeat(long[:62]+".", 4) + "com", ""},
		{"ann@example.com\x00", ""}, {"a\x00nn@example.com", ""}, {"ann@exa\nmple.com", ""}, {"ann@example.com\nbob@example.com", ""}, {"a\rnn@example.com", ""},
		{"ann@example.com,", ""}, {"ann@example.com;bob@example.com", ""}, {"ann@exa\u202emple.com", ""}, {"\xff@example.com", ""}, {"ann@\xff.com", ""}, {"mailto:ann@example.com", ""},
	} {
		got, err := Normalize(c.typed)
		if got != c.want || (err != nil) != (c.want == "") || err != nil && !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: %q, %v; want %q", c.typed, got, err, c.want)
		}
		if err == nil {
			if again, err := Normalize(got); err != nil || again != got {
				t.Errorf("%q: its form %q has the form %q, %v", c.typed, got, again, err)
			}
		} else if c.typed != "" && strings.Contains(err.Error(), c.typed) && len(c.typed) > 12 {
			t.Errorf("%q is repeated in the error %q", c.typed, err)
		}
	}
}

func TestParseList(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", ""},
		{"nothing but separators", " ,;\t\r\n ,,;; ", ""},
		{"one", "ann@example.com", "ann@example.com"},
		{"comma, semicolon, space, tab, newline", "a@x.co,b@x.co;c@x.co d@x.co\te@x.co\nf@x.co\r\ng@x.co\rh@x.co", "a@x.co b@x.co c@x.co d@x.co e@x.co f@x.co g@x.co h@x.co"},
		{"several separators at once", "a@x.co, ;\n b@x.co,", "a@x.co b@x.co"},
		{"spaces that are none of ASCII", "a@x.co\u00a0b@x.co\u3000c@x.co", "a@x.co b@x.co c@x.co"},
		{"names", "Ann Lee <ann@x.co>, Bob <bob@x.co>;<c@x.co>", "ann@x.co(Ann|Lee) bob@x.co(Bob|) c@x.co"},
		{"a name of three words", "Anna Maria Lee <ann@x.co>", "ann@x.co(Anna Maria|Lee)"},
		{"the last name first", `"Lee, Ann" <ann@x.co>, "Ray; Bob" <bob@x.co>`, "ann@x.co(Ann|Lee) bob@x.co(Ray;|Bob)"},
		{"a quoted name", `"Ann Lee" <ann@x.co>`, "ann@x.co(Ann|Lee)"},
		{"names one under the other", "Ann <ann@x.co>\nBob <bob@x.co>", "ann@x.co(Ann|) bob@x.co(Bob|)"},
		{"names behind each other", "Ann <ann@x.co> Bob <bob@x.co>", "ann@x.co(Ann|) bob@x.co(Bob|)"},
		{"an address before a name", "a@x.co Ann Lee <b@x.co>", "a@x.co b@x.co(Ann|Lee)"},
		{"upper case and the same once more", "Ann@X.co, ann@x.CO, <ANN@x.co>", "ann@x.co"},
		{"the same in two scripts", "a@bücher.example a@xn--bcher-kva.example", "a@xn--bcher-kva.example"},
		{"a bad one among good ones", "a@x.co, nonsense, b@x.co", "a@x.co !nonsense b@x.co"},
		{"a bad one twice", "nonsense; Nonsense", "!nonsense"},
		{"a bad one in brackets", "Ann <nonsense>, b@x.co", "!nonsense b@x.co"},
		{"a quote that is never closed", "\"Ann <ann@x.co>, b@x.co", "ann@x.co(Ann|) b@x.co"},
		{"a quote that another line closes", "\"Ann <ann@x.co>\n\"Bob <bob@x.co>", "ann@x.co(Ann|) bob@x.co(Bob|)"},
		{"a quote within", `Ann"y" Lee <ann@x.co>`, "ann@x.co(Anny|Lee)"},
		{"a bracket that is never closed", "Ann <ann@x.co\nb@x.co", "!Ann !<ann@x.co b@x.co"},
		{"a bracket that was never opened", "a@x.co> b@x.co", "!a@x.co> b@x.co"},
		{"control characters", "a\x00@x.co,b@x.co\x07,c@x.co", "!a\x00@x.co !b@x.co\x07 c@x.co"},
		{"a name with control characters", "An\x07n <ann@x.co>", "ann@x.co(Ann|)"},
		{"no text", "\xff\xfe@x.co, b@x.co", "!\xff\xfe@x.co b@x.co"},
	} {
		var got []string
		for _, e := range ParseList(c.text) {
			s := e.Email
			if s == "" {
				s = "!" + e.Typed
			}
			if e.First+e.Last != "" {
				s += "(" + e.First + "|" + e.Last + ")"
			}
			got = append(got, s)
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("SPEC 2.1: %s: %q\ngot  %q\nwant %q", c.name, c.text, s, c.want)
		}
	}
}

func TestFiveThousand(t *testing.T) {
	var b strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&b, "\"Lee, Ann %d\" <ann%d@Example.com>,\r\n", i, i)
	}
	began := time.Now()
	list := ParseList(b.String())
	took := time.Since(began)
	if len(list) != 5000 || list[4999].Email != "ann4999@example.com" || list[4999].Last != "Lee" || list[4999].First != "Ann 4999" {
		t.Errorf("%d entries, the last %+v", len(list), list[len(list)-1])
	}
	t.Logf("5,000 lines in %s", took)
	if took > 5*time.Second {
		t.Errorf("5,000 lines took %s", took)
	}
}

// Whatever is pasted costs in proportion to its length: a reader that is quadratic in a megabyte would need minutes.
func TestLongInputs(t *testing.T) {
	const n = 1 << 20
	for _, c := range []struct{ name, text string }{
		{"spaces and quotes", strings.Repeat(" ", n/2) + "x" + strings.Repeat(`"`, n/2)},
		{"quotes", strings.Repeat(`"`, n)},
		{"quotes and commas", strings.Repeat(`",`, n/2)},
		{"opening brackets", strings.Repeat("<", n)},
		{"closing brackets", strings.Repeat(">", n)},
		{"brackets", strings.Repeat("<>", n/2)},
		{"signs", strings.Repeat("@", n)},
		{"one word", strings.Repeat("x", n)},
		{"one domain", "a@" + strings.Repeat("ü", n/2)},
		{"one domain of many labels", "a@" + strings.Repeat("ü.", n/3)},
		{"one name", strings.Repeat("Ann ", n/4) + "<a@x.co>"},
		{"addresses before a name", strings.Repeat("a@x.co ", n/7) + "<a@x.co>"},
		{"no text", strings.Repeat("\xff", n)},
		{"lines", strings.Repeat("\n", n)},
	} {
		began := time.Now()
		ParseList(c.text)
		took := time.Since(began)
		t.Logf("%s: %s", c.name, took)
		if took > time.Minute {
			t.Errorf("%s: a megabyte took %s", c.name, took)
		}
	}
}

func FuzzParseList(f *testing.F) {
	for _, s := range []string{"", "a@x.co", `"Lee, Ann" <a@x.co>; b@x.co`, "a@x.co Ann <b@x.co>", "\"", "<", ">", "a@bücher.example\x00", "\xff", "a@xn--.x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		seen := map[string]bool{}
		for _, e := range ParseList(text) {
			if e.Typed == "" || strings.TrimSpace(e.Typed) != e.Typed || !strings.Contains(text, e.Typed) {
				t.Fatalf("typed %q", e.Typed)
			}
			if e.Email == "" {
				continue
			}
			if again, err := Normalize(e.Email); err != nil || again != e.Email || len(e.Email) > maxAddress || strings.ContainsAny(e.Email, " \t\r\n,;<>\"") {
				t.Fatalf("%q has the form %q, %v", e.Email, again, err)
			}
			if seen[e.Email] {
				t.Fatalf("%q twice", e.Email)
			}
			seen[e.Email] = true
		}
	})
}
