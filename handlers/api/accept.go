package api

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
)

const (
	typeJSON   = "application/json"
	typeCSV    = "text/csv"
	typeNDJSON = "application/x-ndjson"
)

// acceptable is the media type of those offered that Accept likes best, the first of them where it has no
// preference; "" when it accepts none.
func acceptable(header []string, offered []string) string {
	accept := strings.Join(header, ",")
	if strings.TrimSpace(accept) == "" {
		return offered[0]
	}
	best, bestQ := "", 0.0
	for _, offer := range offered {
		if q := quality(accept, offer); q > bestQ {
			best, bestQ = offer, q
		}
	}
	return best
}

// quality is the weight that the most exact range gives to a type (RFC 9110, 12.5.1).
func quality(accept, offer string) float64 {
	kind, _, _ := strings.Cut(offer, "/")
	q, exactness := 0.0, 0
	for part := range strings.SplitSeq(accept, ",") {
		name, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		exact := 0
		switch name {
		case offer:
			exact = 3
		case kind + "/*":
			exact = 2
		case "*/*":
			exact = 1
		}
		if exact <= exactness {
			continue
		}
		exactness, q = exact, 1
		if text, ok := params["q"]; ok {
			weight, err := strconv.ParseFloat(text, 64)
			if err != nil || weight < 0 || weight > 1 {
				weight = 0
			}
			q = weight
		}
	}
	return q
}

// isJSON says that a body is declared as JSON in UTF-8.
func isJSON(r *http.Request) bool {
	name, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || name != typeJSON {
		return false
	}
	charset, ok := params["charset"]
	return !ok || strings.EqualFold(charset, "utf-8")
}
