package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// readyWithin is how long a look at readiness may take.
const readyWithin = 2 * time.Second

// Metrics counts requests by route and status, and shows positions of the log. No label holds anything of a person's: a route is its pattern.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

// NewMetrics makes a registry of its own.
func NewMetrics() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "roster_http_requests_total", Help: "Requests by route and status."}, []string{"route", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "roster_http_request_duration_seconds", Help: "How long requests took, by route.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}}, []string{"route"}),
	}
	m.registry.MustRegister(m.requests, m.duration, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Position adds a position of the log that is asked for at each scrape; of names what it is the position of, where there
// are several, as a label and its value.
func (m *Metrics) Position(name, help string, read func() float64, of ...string) error {
	labels := prometheus.Labels{}
	for i := 0; i+1 < len(of); i += 2 {
		labels[of[i]] = of[i+1]
	}
	return m.registry.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels}, read))
}

// counted counts what passes.
func (m *Metrics) counted(next http.Handler) http.Handler {
	if m == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		out := &answer{ResponseWriter: w}
		next.ServeHTTP(out, r)
		route := r.Pattern
		if route == "" || route == "/" {
			route = "none"
		}
		m.requests.WithLabelValues(route, strconv.Itoa(max(out.status, http.StatusOK))).Inc()
		m.duration.WithLabelValues(route).Observe(time.Since(began).Seconds())
	})
}

// Ops makes the handler of the listener for those who run it: /healthz says that the process answers, /readyz that
// it can do its work, /metrics what it has done.
func Ops(c Config) http.Handler {
	if c.Metrics == nil {
		c.Metrics = NewMetrics()
	}
	p, mux := newProblems(c), http.NewServeMux()
	s := &server{Config: c, problems: p}
	say := func(w http.ResponseWriter, status string) {
		w.Header().Set("Content-Type", typeJSON)
		_ = json.NewEncoder(w).Encode(map[string]string{"status": status})
	}
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { say(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyWithin)
		defer cancel()
		if c.Ready != nil {
			if err := c.Ready(ctx); err != nil {
				p.logger.Warn("not ready", "err", err)
				p.write(w, p.retry("not ready: the log of the service says why"))
				return
			}
		}
		say(w, "ready")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(c.Metrics.registry, promhttp.HandlerOpts{}))
	mux.Handle("/", s.fallback(mux))
	return guarded(p, false, mux)
}
