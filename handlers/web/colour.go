package web

import (
	"errors"
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
