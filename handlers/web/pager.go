package web

import (
	"net/url"
	"slices"
	"strings"
)

// maxBack is how many pages of a list can be gone back one by one; from further on the way back is to the first.
const maxBack = 12

// pager are the addresses of the pages of a list around the one that is shown; "" where there is none.
type pager struct{ First, Previous, Next string }

// pages answers them for a list that is asked for at an address. A cursor leads forward only, so the address also says by
// which cursors one has come: - is the first page.
func pages(at string, asked url.Values, next *string) pager {
	var p pager
	here, back := asked.Get("cursor"), strings.FieldsFunc(asked.Get("back"), func(r rune) bool { return r == '.' })
	to := func(cursor string, back []string) string {
		q := url.Values{}
		for name, values := range asked {
			if name != "cursor" && name != "back" {
				q[name] = values
			}
		}
		if cursor != "" && cursor != "-" {
			q.Set("cursor", cursor)
		}
		if len(back) > 0 {
			q.Set("back", strings.Join(back[max(0, len(back)-maxBack):], "."))
		}
		if len(q) == 0 {
			return at
		}
		return at + "?" + q.Encode()
	}
	if next != nil {
		came := here
		if came == "" {
			came = "-"
		}
		p.Next = to(*next, append(slices.Clone(back), came))
	}
	if here != "" {
		p.First = to("", nil)
	}
	if n := len(back); here != "" && n > 0 {
		p.Previous = to(back[n-1], back[:n-1])
	}
	return p
}
