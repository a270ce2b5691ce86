package geoip_test

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"

	"roster/infra/geoip"
)

// SPEC 4.6: the place, where an address database is configured.
func TestPlaces(t *testing.T) {
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "GeoLite2-City", IncludeReservedNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	named := func(s string) mmdbtype.Map {
		return mmdbtype.Map{"names": mmdbtype.Map{"en": mmdbtype.String(s), "de": mmdbtype.String("anders")}}
	}
	insert := func(network string, record mmdbtype.Map) {
		t.Helper()
		_, n, err := net.ParseCIDR(network)
		if err == nil {
			err = tree.Insert(n, record)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	insert("203.0.113.0/24", mmdbtype.Map{"city": named("Lyon"), "country": named("France")})
	insert("2001:db9::/32", mmdbtype.Map{"country": named("Norway")})
	path := filepath.Join(t.TempDir(), "places.mmdb")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tree.WriteTo(f); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	places, err := geoip.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := places.Close(); err != nil {
			t.Error(err)
		}
	}()
	for ip, want := range map[string]string{"203.0.113.7": "Lyon, France", "2001:db9::1": "Norway", "198.51.100.1": "", "": "", "no address": ""} {
		if got, err := places.Of(ip); got != want || err != nil {
			t.Errorf("SPEC 4.6: %s is in %q, want %q: %v", ip, got, want, err)
		}
	}
	if _, err := geoip.Open(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that is not there")
	}
}
