package web

import "net/http"

// linkRoutes are the address that a browser shows in place of a link from a mail.
func (s *site) linkRoutes() map[string]verbs {
	return map[string]verbs{"/link": {http.MethodGet: s.linkPage}}
}

// linkPage is for a browser that loads the address anew: its script goes back to the link, which this tab has kept. Whoever
// comes without one is told to open it again.
func (s *site) linkPage(w http.ResponseWriter, r *http.Request) error {
	p := s.open(w, r, person{})
	return p.say(http.StatusOK, p.T("link.again_title"), message{Lead: p.T("link.again"), Back: "/", Label: p.T("refused.back")})
}
