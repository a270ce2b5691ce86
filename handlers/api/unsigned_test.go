package api_test

import (
	"regexp"
	"strings"
	"testing"
)

// SPEC 10: who asks is found out before the body is looked at, for whatever its JSON holds: of every operation that wants
// a credential, without one and with one that is none; of those that anybody may ask, with one that is none.
func TestCredentialsComeFirst(t *testing.T) {
	w := newBareWorld(t)
	bodies := []any{nil, object{}, object{"nonsense": []any{1}}, `[]`, `"text"`, `null`, `{"current":1,"email":{},"emails":5,"user":[],"password":true,"confirm":"x"}`}
	wanted, open := 0, 0
	for path, item := range document(t, w)["paths"].(object) {
		for verb, o := range item.(object) {
			var some, none bool // of the credentials that it takes
			for _, way := range o.(object)["security"].([]any) {
				some, none = some || len(way.(object)) > 0, none || len(way.(object)) == 0
			}
			if !some {
				continue
			}
			at := regexp.MustCompile(`\{\w+\}`).ReplaceAllString(path, "x")
			for _, body := range bodies {
				if verb == "get" && body != nil {
					continue
				}
				for _, token := range []string{"", "rs_none", w.operator + "x"} {
					if token == "" && none {
						continue
					}
					w.do(strings.ToUpper(verb), at, token, body).refused(401, "sign_in_required")
				}
				if !none && body != nil { // nor is it looked at as what it is
					w.do(strings.ToUpper(verb), at, "", "not JSON at all", "Content-Type", "text/plain").refused(401, "sign_in_required")
				}
			}
			if none {
				open++
			} else {
				wanted++
			}
		}
	}
	if wanted < 90 || open < 3 {
		t.Errorf("%d operations want a credential, %d take one", wanted, open)
	}
}
