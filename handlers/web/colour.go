package web

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
)

// errColour says what a colour looks like.
var errColour = errors.New("want a colour as #rrggbb")

// checkColour lets through a colour as #rrggbb, and none at all.
func checkColour(s string) error {
	if s != "" && !regexp.MustCompile(`^#[0-9a-fA-F]{6}$`).MatchString(s) {
		return errColour
	}
	return nil
}

// luminance is how bright a colour is, from 0 to 1 (WCAG 2.2, relative luminance).
func luminance(colour string) float64 {
	var sum float64
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, _ := strconv.ParseUint(colour[1+2*i:3+2*i], 16, 8) // checked when the settings were read
		v := float64(n) / 255
		if v <= 0.04045 {
			v /= 12.92
		} else {
			v = math.Pow((v+0.055)/1.055, 2.4)
		}
		sum += weight * v
	}
	return sum
}

// legible is the contrast that words need (WCAG 2.2, 1.4.3), and a little more.
const legible = 4.8

// readable is a colour brought so near to black (0) or white (255) that words of it can be read on a page.
func readable(colour, on string, end int) string {
	behind := luminance(on)
	for part := 0; part < 100; part += 4 {
		mixed := "#"
		for i := range 3 {
			n, _ := strconv.ParseUint(colour[1+2*i:3+2*i], 16, 8) // checked when the settings were read
			mixed += fmt.Sprintf("%02x", int(n)+(end-int(n))*part/100)
		}
		light := luminance(mixed)
		if (max(light, behind)+0.05)/(min(light, behind)+0.05) >= legible {
			return mixed
		}
	}
	return fmt.Sprintf("#%02x%02x%02x", end, end, end)
}
