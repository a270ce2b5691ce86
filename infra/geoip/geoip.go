// Package geoip looks up where a network address is, in a file of MaxMind's format.
package geoip

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/oschwald/maxminddb-golang/v2"
)

// Places is an address database. It is read from disk as it is asked.
type Places struct{ db *maxminddb.Reader }

// Open opens a file, such as GeoLite2-City.mmdb.
func Open(path string) (*Places, error) {
	db, err := maxminddb.Open(path)
	if err != nil {
		return nil, fmt.Errorf("geoip: %w", err)
	}
	return &Places{db}, nil
}

// Close lets go of the file.
func (p *Places) Close() error { return p.db.Close() }

// record is what of the database's records is of interest: those of cities and of countries have it alike.
type record struct {
	City    names `maxminddb:"city"`
	Country names `maxminddb:"country"`
}

type names struct {
	Names map[string]string `maxminddb:"names"`
}

// Of answers "City, Country" as far as it is known, in English; "" for an address that is not.
func (p *Places) Of(ip string) (string, error) {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return "", nil //nolint:nilerr // what is no address is nowhere
	}
	var r record
	if err := p.db.Lookup(addr).Decode(&r); err != nil {
		return "", errors.Join(errors.New("geoip: the database cannot be read"), err)
	}
	city, country := r.City.Names["en"], r.Country.Names["en"]
	if city != "" && country != "" {
		return city + ", " + country, nil
	}
	return city + country, nil
}
