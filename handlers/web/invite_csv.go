package web

import (
	"errors"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"roster/domain"
)

// csvPage is a list of people from a file, with what would become of each row before anything is sent (SPEC 2.1).
type csvPage struct {
	Text  string
	Rows  []csvRow
	Good  int
	Wrong *problem
}

// csvRow is a line of the file.
type csvRow struct {
	Line int
	Text string
	outcome
}

func (s *site) csvPage(p *page) error { return p.showCSV(csvPage{}) }

func (p *page) showCSV(v csvPage) error {
	p.Title, p.Section = p.T("csv.title"), "users"
	status := http.StatusOK
	if v.Wrong != nil {
		status = v.Wrong.Status
	}
	return p.show(status, csvView(p, v))
}

// inviteByCSV shows what would become of each row, and once that has been seen does it.
func (s *site) inviteByCSV(p *page) error {
	text, err := p.uploaded()
	if err != nil {
		return err
	}
	v := csvPage{Text: text}
	if strings.TrimSpace(text) == "" {
		v.Wrong = &problem{Code: string(domain.Invalid), Status: http.StatusUnprocessableEntity, Detail: p.T("csv.empty")}
		return p.showCSV(v)
	}
	if p.r.PostForm.Get("send") != "" {
		var out struct{ Results []outcome }
		_, err := s.send(p.r, http.MethodPost, p.api("/invitations"), csvText(text), &out)
		if err == nil {
			p.Title, p.Section = p.T("invite.results"), "users"
			return p.show(http.StatusOK, invitedView(p, invitePage{Results: out.Results}))
		}
		if v.Wrong = asProblem(err); v.Wrong == nil {
			return err
		}
		v.Wrong = p.byRow(v.Wrong)
		return p.showCSV(v)
	}
	shown, err := p.plan(http.MethodPost, p.api("/invitations"), csvText(text))
	if refused := asProblem(err); refused != nil {
		v.Wrong = p.byRow(refused)
		return p.showCSV(v)
	}
	if err != nil {
		return err
	}
	v.Rows = rowsOf(text, shown.Outcomes)
	for _, r := range v.Rows {
		if r.Good() {
			v.Good++
		}
	}
	return p.showCSV(v)
}

// uploaded is the file, or what an earlier page has shown of it.
func (p *page) uploaded() (string, error) {
	file, _, err := p.r.FormFile("file")
	if errors.Is(err, http.ErrMissingFile) || errors.Is(err, http.ErrNotMultipart) {
		return p.r.PostForm.Get("csv"), nil
	}
	if err != nil {
		return "", errBadForm
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(file)
	if err != nil {
		return "", errBadForm
	}
	return string(text), nil
}

// rowsOf are the lines of a file with the outcome of each. There is one outcome less than lines where the first names
// the columns.
func rowsOf(text string, outcomes []string) []csvRow {
	var list []csvRow
	for i, line := range strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n") {
		if line = strings.TrimSpace(line); line != "" {
			list = append(list, csvRow{Line: i + 1, Text: line})
		}
	}
	list = list[min(max(len(list)-len(outcomes), 0), 1):]
	for i := range list {
		if i < len(outcomes) {
			list[i].Outcome = outcomes[i]
		}
	}
	return list
}

// byRow says of what is wrong with a file in which of its rows it is.
func (p *page) byRow(refused *problem) *problem {
	for i, e := range refused.Errors {
		found := regexp.MustCompile(`^body\.(line|people)\[(\d+)\]`).FindStringSubmatch(e.Location)
		if found == nil {
			continue
		}
		n, err := strconv.Atoi(found[2])
		if err != nil {
			continue
		}
		if found[1] == "people" { // counted from nought, and without a header
			n++
		}
		refused.Errors[i].Message = p.T("csv."+found[1], n, p.Said(e.Message))
	}
	return refused
}
