package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// localEndpoint is where Roster answers unless told.
const localEndpoint = "http://localhost:8080"

// place is a running Roster and the key to it.
type place struct {
	Endpoint string `help:"Where Roster answers; else that of the profile, else http://localhost:8080." env:"ROSTER_ENDPOINT,ROSTER_URL" aliases:"url" placeholder:"URL" group:"Which Roster, and as whom"`
	Key      string `help:"The key to it; - reads it from standard input. Else that of the profile, else the operator's key in the data directory." env:"ROSTER_KEY" placeholder:"KEY|-" group:"Which Roster, and as whom"`
	Profile  string `help:"Which of the logins that roster login has kept." env:"ROSTER_PROFILE" placeholder:"NAME" group:"Which Roster, and as whom"`
	Data     string `help:"Roster's data on this machine, for the operator's key in it; ROSTER_OPERATOR_KEY wins." env:"ROSTER_DATA" default:"${data}" placeholder:"DIR" group:"Which Roster, and as whom"`
}

// remote is how a running Roster is asked.
type remote struct {
	place
	OnBehalf string `help:"Decided with this person's rights, and noted so; for the operator, and for keys that it has made for that." placeholder:"USER" group:"Which Roster, and as whom"`
	JSON     bool   `name:"json" help:"Print one JSON document."`
}

// login is what roster login keeps: an endpoint and the key to it.
type login struct {
	Endpoint string `json:"endpoint"`
	Key      string `json:"key"`
}

// credentials are the logins kept on this machine, by the profile's name.
type credentials struct {
	Profiles map[string]login `json:"profiles"`
}

// defaultProfile is the profile of who has only one.
const defaultProfile = "default"

// credentialsPath is where logins are kept.
func credentialsPath() (string, error) {
	dir := os.Getenv("XDG_CONFIG_HOME")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", usage("set XDG_CONFIG_HOME: there is no home directory to keep credentials in")
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "roster", "credentials.json"), nil
}

// readCredentials reads the logins; none at all is no error. A file that others can read is refused: its keys have to
// be taken for known.
func readCredentials() (credentials, string, error) {
	c := credentials{Profiles: map[string]login{}}
	path, err := credentialsPath()
	if err != nil {
		return c, "", err
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return c, path, nil
	case err != nil:
		return c, "", fmt.Errorf("read the credentials: %w", err)
	case info.Mode().Perm()&0o077 != 0:
		return c, "", fmt.Errorf("%s can be read by others: chmod 600 it", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return c, "", fmt.Errorf("read the credentials: %w", err)
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return c, "", fmt.Errorf("%s is damaged: remove it, and log in again", path)
	}
	if c.Profiles == nil {
		c.Profiles = map[string]login{}
	}
	return c, path, nil
}

// keep writes the logins down, all or nothing, for nobody else to read.
func (c credentials) keep(path string) error {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("keep the credentials: %w", err)
	}
	if err := keepKey(path, string(text)); err != nil {
		return fmt.Errorf("keep the credentials: %w", err)
	}
	return nil
}

// resolve answers where to ask, and with which key. A key that was kept for one endpoint is never sent to another.
func (r place) resolve(io stdio) (login, error) {
	kept, _, err := readCredentials()
	if err != nil && (r.Key == "" || r.Endpoint == "") {
		return login{}, err
	}
	name := r.Profile
	if name == "" {
		name = defaultProfile
	}
	known, found := kept.Profiles[name]
	if r.Profile != "" && !found {
		return login{}, usage("there is no profile %q: roster login --profile %s", name, name)
	}
	to := login{Endpoint: r.Endpoint}
	switch {
	case to.Endpoint != "":
	case found:
		to.Endpoint = known.Endpoint
	default:
		to.Endpoint = localEndpoint
	}
	if to.Endpoint, err = endpoint(to.Endpoint); err != nil {
		return login{}, err
	}
	to.Key, err = r.key(io, to.Endpoint, known)
	return to, err
}

// endpoint is an address as it is kept and compared.
func endpoint(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return "", usage("--endpoint %q: want https://HOST or http://HOST:PORT", text)
	}
	return strings.TrimSuffix(u.String(), "/"), nil
}

func (r place) key(io stdio, endpoint string, known login) (string, error) {
	if r.Key == "-" {
		line, err := io.line()
		if err != nil {
			return "", err
		}
		return key(line)
	}
	if r.Key != "" {
		return key(r.Key)
	}
	own := known.Endpoint == endpoint
	if r.Profile != "" {
		if !own {
			return "", usage("the key of profile %s is for %s: give --key for %s", r.Profile, known.Endpoint, endpoint)
		}
		return known.Key, nil
	}
	if text := strings.TrimSpace(os.Getenv("ROSTER_OPERATOR_KEY")); text != "" {
		return key(text)
	}
	if own {
		return known.Key, nil
	}
	if text, err := os.ReadFile(filepath.Join(r.Data, "operator.key")); err == nil {
		return key(string(text))
	}
	return "", usage("no key to %s: give --key or ROSTER_KEY, or keep one with roster login; on the machine where Roster runs, --data finds the operator's key", endpoint)
}

// key is a key as it can stand in a header.
func key(text string) (string, error) {
	text = strings.TrimSpace(text)
	if text == "" || strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return "", usage("the key is not one: want what roster serve, or whoever made it, has shown, such as ro_…")
	}
	return text, nil
}

// client is a client of the Roster that is meant.
func (r remote) client(io stdio) (*client, error) {
	to, err := r.resolve(io)
	if err != nil {
		return nil, err
	}
	return newClient(to, r.OnBehalf, r.JSON, io), nil
}

type loginCmd struct {
	place
	JSON bool `name:"json" help:"Print one JSON document."`
}

// Run keeps an endpoint and a key that it answers to.
func (c loginCmd) Run(ctx context.Context, io stdio) error {
	name := c.Profile
	if name == "" {
		name = defaultProfile
	}
	to := place{Endpoint: c.Endpoint, Key: c.Key, Data: c.Data}
	kept, path, err := readCredentials()
	if err != nil {
		return err
	}
	if to.Endpoint == "" && kept.Profiles[name].Endpoint != "" { // a new key to the same place
		to.Endpoint = kept.Profiles[name].Endpoint
	}
	if to.Key == "" && isTerminal(io.in) {
		if to.Key, err = io.secret("Key (empty for the one of this machine): "); err != nil {
			return err
		}
	}
	if to.Endpoint == "" {
		to.Endpoint = localEndpoint
	}
	if to.Endpoint, err = endpoint(to.Endpoint); err != nil {
		return err
	}
	if to.Key, err = to.key(io, to.Endpoint, login{}); err != nil {
		return err
	}
	as := login{to.Endpoint, to.Key}
	if _, err := newClient(as, "", false, io).get(ctx, "/v1/accounts", nil); err != nil {
		return err
	}
	kept.Profiles[name] = as
	if err := kept.keep(path); err != nil {
		return err
	}
	if c.JSON {
		return io.json(map[string]string{"profile": name, "endpoint": as.Endpoint, "file": path})
	}
	return io.say("%s answers; the key to it is kept in %s as profile %s", as.Endpoint, path, name)
}

type logoutCmd struct {
	Profile string `help:"Which login to forget." env:"ROSTER_PROFILE" default:"default" placeholder:"NAME"`
}

// Run forgets a login on this machine; the key itself goes on working.
func (c logoutCmd) Run(io stdio) error {
	kept, path, err := readCredentials()
	if err != nil {
		return err
	}
	if _, found := kept.Profiles[c.Profile]; !found {
		return io.say("there is no profile %s", c.Profile)
	}
	delete(kept.Profiles, c.Profile)
	if len(kept.Profiles) > 0 {
		err = kept.keep(path)
	} else {
		err = os.Remove(path)
	}
	if err != nil {
		return err
	}
	return io.say("the key of profile %s is forgotten here; it goes on working until it is revoked", c.Profile)
}

// line reads one line of standard input and leaves what follows it.
func (s stdio) line() (string, error) {
	var line bytes.Buffer
	one := make([]byte, 1)
	for line.Len() < 4096 {
		n, err := s.in.Read(one)
		if n == 1 && one[0] != '\n' {
			line.WriteByte(one[0])
			continue
		}
		if n == 1 || err != nil {
			break
		}
	}
	if line.Len() == 0 {
		return "", usage("standard input has nothing")
	}
	return line.String(), nil
}
