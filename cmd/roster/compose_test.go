package main_test

import (
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"gopkg.in/yaml.v3"
)

// TestCompose reads docker-compose.yml as far as that can be done without running it: images are pinned to a version,
// every service has a health check, and the settings it makes are ones that serve knows.
func TestCompose(t *testing.T) {
	text, err := os.ReadFile("../../docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Services map[string]struct {
			Image string `yaml:"image"`
			Build struct {
				Inline string `yaml:"dockerfile_inline"`
			} `yaml:"build"`
			Environment map[string]string   `yaml:"environment"`
			DependsOn   map[string]struct{} `yaml:"depends_on"`
			Volumes     []string            `yaml:"volumes"`
			Healthcheck struct {
				Test     []string `yaml:"test"`
				Interval string   `yaml:"interval"`
				Retries  int      `yaml:"retries"`
			} `yaml:"healthcheck"`
		} `yaml:"services"`
		Volumes map[string]any `yaml:"volumes"`
		Configs map[string]struct {
			Content string `yaml:"content"`
		} `yaml:"configs"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{"ROSTER_KEYRING": true, "ROSTER_OPERATOR_KEY": true} // in the environment alone: no secret is a flag
	for _, name := range regexp.MustCompile(`\$(ROSTER_[A-Z_]+)`).FindAllStringSubmatch(runs(t, nil, "serve", "--help").stdout, -1) {
		known[name[1]] = true
	}
	if len(known) < 10 || len(file.Services) < 3 {
		t.Fatalf("%d flags and %d services: this test no longer knows how they are written", len(known), len(file.Services))
	}
	pinned := regexp.MustCompile(`^[a-z0-9./-]+:v?[0-9]+\.[0-9]+(\.[0-9]+)?(-[a-z0-9.]+)?$`)
	settings := 0
	for _, name := range slices.Sorted(maps.Keys(file.Services)) {
		s := file.Services[name]
		images := []string{s.Image}
		if s.Image == "" {
			images = nil
			for _, from := range regexp.MustCompile(`(?m)^FROM (\S+)`).FindAllStringSubmatch(s.Build.Inline, -1) {
				images = append(images, from[1])
			}
		}
		for _, image := range images {
			if !pinned.MatchString(image) {
				t.Errorf("%s: %q is not pinned to a version", name, image)
			}
		}
		if len(images) == 0 {
			t.Errorf("%s has no image", name)
		}
		if h := s.Healthcheck; len(h.Test) < 2 || h.Interval == "" || h.Retries == 0 {
			t.Errorf("%s has no health check", name)
		}
		for variable := range s.Environment {
			if !strings.HasPrefix(variable, "ROSTER_") {
				continue
			}
			if settings++; !known[variable] {
				t.Errorf("%s sets %s, which serve does not know", name, variable)
			}
		}
		for other := range s.DependsOn {
			if _, ok := file.Services[other]; !ok {
				t.Errorf("%s depends on %s, which is not there", name, other)
			}
		}
		for _, volume := range s.Volumes {
			if _, ok := file.Volumes[strings.SplitN(volume, ":", 2)[0]]; !ok {
				t.Errorf("%s mounts %s, which is no volume", name, volume)
			}
		}
	}
	if settings == 0 {
		t.Error("nothing is set")
	}

	// Two Rosters with one log and one database, on as many NATS servers as they keep their streams on.
	one, two := file.Services["roster1"].Environment, file.Services["roster2"].Environment
	servers := strings.Split(one["ROSTER_NATS"], ",")
	if len(one) == 0 || !maps.Equal(one, two) || strconv.Itoa(len(servers)) != one["ROSTER_NATS_REPLICAS"] || len(servers) != 3 {
		t.Errorf("the two Rosters are set to %v and %v", one, two)
	}
	for i, monitor := range strings.Split(one["ROSTER_NATS_MONITOR"], ",") {
		u, err := url.Parse(monitor)
		if _, ok := file.Services[u.Hostname()]; err != nil || !ok || !strings.Contains(servers[i], "@"+u.Hostname()+":") {
			t.Errorf("%s is the monitoring endpoint of none of %v: %v", monitor, servers, err)
		}
	}
	// The servers' configuration is one that they read, and the one that Roster asks for.
	config := filepath.Join(t.TempDir(), "nats.conf")
	writeFile(t, config, strings.ReplaceAll(file.Configs["nats"].Content, "$$", "$"), 0o600)
	options := &server.Options{}
	t.Setenv("NODE", "nats1")
	t.Setenv("NATS_PASSWORD", "open-sesame")
	if err := options.ProcessConfigFile(config); err != nil {
		t.Fatal(err)
	}
	if !options.JetStream || !options.SyncAlways || options.ServerName != "nats1" || options.HTTPPort != 8222 || options.Port != 4222 ||
		options.Password != "open-sesame" || len(options.Routes) != len(servers) {
		t.Errorf("the NATS servers are set to %+v", options)
	}
}
