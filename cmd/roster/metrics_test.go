package main_test

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
)

// keepsUp waits until the metrics say that feed and read models have come to the log's end (SPEC 8.3).
func (r *running) keepsUp() {
	r.t.Helper()
	line := regexp.MustCompile(`(?m)^(roster_(?:log|feed|projection)_position(?:\{projection="\w+"\})?) (\S+)$`)
	r.until("metrics of what keeps up", func() bool {
		at := map[string]float64{}
		for _, m := range line.FindAllStringSubmatch(string(r.as("").get(r.Ops+"/metrics").Body), -1) {
			value, err := strconv.ParseFloat(m[2], 64)
			if err != nil {
				r.t.Fatal(err)
			}
			at[m[1]] = value
		}
		last, lowest := at["roster_log_position"], math.Inf(1)
		for _, name := range []string{"archive", "user_list", "invitations", "audit", "accounts"} {
			lowest = min(lowest, at[fmt.Sprintf(`roster_projection_position{projection=%q}`, name)])
		}
		return last > 0 && lowest == last && at["roster_feed_position"] == last
	})
}
