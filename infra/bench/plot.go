package bench

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// curve is what one contestant did over something that grows.
type curve struct {
	name   string
	points []point
}

type point struct{ x, y float64 }

// panel is one diagram: curves over an axis of powers.
type panel struct {
	title, across string
	log           bool // the values too are drawn by their powers
	curves        []curve
}

const (
	panelWidth, panelHeight = 460.0, 320.0
	marginLeft, marginTop   = 64.0, 40.0
	marginRight             = 16.0
	marginBottom            = 84.0
)

// WritePlot draws throughput and p99 over the number of callers, or over the length of history: "callers", "history".
// A report without such rows is an error.
func (r Report) WritePlot(w io.Writer, over string) error {
	var panels []panel
	switch over {
	case "callers":
		panels = r.overCallers()
	case "history":
		panels = r.overHistory()
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" width="%g" height="%g" font-family="sans-serif" font-size="11">`+"\n", panelWidth*float64(len(panels)), panelHeight)
	out.WriteString(`<rect width="100%" height="100%" fill="white"/>` + "\n")
	drawn := 0
	for i, p := range panels {
		fmt.Fprintf(&out, `<g transform="translate(%g 0)">`+"\n", panelWidth*float64(i))
		drawn += p.draw(&out)
		out.WriteString("</g>\n")
	}
	out.WriteString("</svg>\n")
	if drawn == 0 {
		return fmt.Errorf("no rows to draw over %s", over)
	}
	_, err := w.Write(out.Bytes())
	return err
}

// overCallers takes the rows that end in a number of callers, and their baselines.
func (r Report) overCallers() []panel {
	var rates, tails []curve
	add := func(name string, x, rate, p99 float64) {
		rates, tails = put(rates, name, point{x, rate}), put(tails, name, point{x, p99})
	}
	for _, row := range r.Rows {
		for _, name := range []string{"commands/in-process", "commands/http"} {
			rest, ok := strings.CutPrefix(row.Name, name+"/")
			callers, err := strconv.Atoi(rest)
			if !ok || err != nil {
				continue
			}
			add(name, float64(callers), row.Rate, row.P99)
			if b := row.Baseline; b != nil && b.Name != "http/empty" { // it would leave no room for the others
				add(b.Name, float64(callers), b.Rate, b.P99)
			}
		}
	}
	return []panel{{"commands a second", "callers", false, rates}, {"p99, ms", "callers", true, tails}}
}

// overHistory takes the commands and checks of portals with histories of several lengths.
func (r Report) overHistory() []panel {
	var rates, tails []curve
	for _, row := range r.Rows {
		rest, ok := strings.CutPrefix(row.Name, "history/")
		length, what, cut := strings.Cut(rest, "/")
		facts, err := ParseScale(length)
		if !ok || !cut || err != nil {
			continue
		}
		if row.Rate > 0 && what == "command" {
			rates = put(rates, "commands, 16 callers", point{float64(facts), row.Rate})
		}
		tails = put(tails, what, point{float64(facts), row.P99})
	}
	return []panel{{"commands a second", "facts behind it", false, rates}, {"p99, ms", "facts behind it", true, tails}}
}

func put(list []curve, name string, p point) []curve {
	i := slices.IndexFunc(list, func(c curve) bool { return c.name == name })
	if i < 0 {
		return append(list, curve{name, []point{p}})
	}
	list[i].points = append(list[i].points, p)
	return list
}

// colours of curves; they differ in brightness too.
func colours() []string { return []string{"#0b4f9e", "#d1495b", "#5a8f29", "#8a5fb0", "#c98a00"} }

// draw draws the panel and answers how many points it has.
func (p panel) draw(out *bytes.Buffer) int {
	low, high, lowX, highX, n := math.Inf(1), 0.0, math.Inf(1), 0.0, 0
	for _, c := range p.curves {
		for _, q := range c.points {
			low, high, lowX, highX = min(low, q.y), max(high, q.y), min(lowX, q.x), max(highX, q.x)
			n++
		}
	}
	if n == 0 {
		return 0
	}
	scale := scaleOf(low, high, p.log)
	width, height := panelWidth-marginLeft-marginRight, panelHeight-marginTop-marginBottom
	x := func(v float64) float64 {
		if highX == lowX {
			return marginLeft + width/2
		}
		return marginLeft + width*math.Log(v/lowX)/math.Log(highX/lowX)
	}
	y := func(v float64) float64 { return marginTop + height*(1-scale.at(v)) }
	fmt.Fprintf(out, `<text x="%g" y="22" font-size="14">%s</text>`+"\n", marginLeft, html.EscapeString(p.title))
	for _, v := range scale.marks {
		fmt.Fprintf(out, `<line x1="%g" y1="%.1f" x2="%g" y2="%.1f" stroke="#ddd"/><text x="%g" y="%.1f" text-anchor="end">%s</text>`+"\n",
			marginLeft, y(v), marginLeft+width, y(v), marginLeft-6, y(v)+4, short(v))
	}
	var xs []float64
	for i, c := range p.curves {
		colour := colours()[i%len(colours())]
		var line []string
		for _, q := range c.points {
			line = append(line, fmt.Sprintf("%.1f,%.1f", x(q.x), y(q.y)))
			fmt.Fprintf(out, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"><title>%s: %s at %s</title></circle>`+"\n", x(q.x), y(q.y), colour,
				html.EscapeString(c.name), figure(q.y), short(q.x))
			if !slices.Contains(xs, q.x) {
				xs = append(xs, q.x)
			}
		}
		fmt.Fprintf(out, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.Join(line, " "), colour)
		fmt.Fprintf(out, `<rect x="%g" y="%g" width="10" height="10" fill="%s"/><text x="%g" y="%g">%s</text>`+"\n",
			marginLeft+float64(i%2)*190, panelHeight-38+float64(i/2)*16, colour, marginLeft+14+float64(i%2)*190, panelHeight-29+float64(i/2)*16, html.EscapeString(c.name))
	}
	for _, v := range xs {
		fmt.Fprintf(out, `<text x="%.1f" y="%g" text-anchor="middle">%s</text>`+"\n", x(v), marginTop+height+16, short(v))
	}
	fmt.Fprintf(out, `<text x="%g" y="%g" text-anchor="end">%s</text>`+"\n", marginLeft+width, marginTop+height+30, html.EscapeString(p.across))
	return n
}

// axis places values between 0 and 1.
type axis struct {
	low, high float64
	log       bool
	marks     []float64
}

func scaleOf(low, high float64, log bool) axis {
	if log && low > 0 {
		a := axis{low: math.Pow(10, math.Floor(math.Log10(low))), high: math.Pow(10, math.Ceil(math.Log10(high))), log: true}
		if a.high <= a.low {
			a.high = a.low * 10
		}
		for v := a.low; v <= a.high*1.01; v *= 10 {
			a.marks = append(a.marks, v)
		}
		return a
	}
	step := math.Pow(10, math.Floor(math.Log10(high)))
	for _, finer := range []float64{5, 2} {
		if high/step < 4 {
			step /= finer
		}
	}
	a := axis{high: step * math.Ceil(high/step)}
	for v := 0.0; v <= a.high*1.001; v += step {
		a.marks = append(a.marks, v)
	}
	return a
}

func (a axis) at(v float64) float64 {
	if a.log {
		return math.Log(max(v, a.low)/a.low) / math.Log(a.high/a.low)
	}
	return (v - a.low) / (a.high - a.low)
}

// short writes a mark: 10k, 1m, 0.01.
func short(v float64) string {
	if v >= 1000 && v == math.Trunc(v) {
		return named(int(v))
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}
