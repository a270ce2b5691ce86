package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/jackc/pgx/v5/pgxpool"

	"roster/handlers/access"
	"roster/infra/mail"
	"roster/infra/sms"
)

type serveCmd struct {
	Config        kong.ConfigFlag `help:"Read flags from a JSON file." placeholder:"FILE"`
	Data          string          `help:"Where Roster keeps its data." env:"ROSTER_DATA" default:"${data}" placeholder:"DIR"`
	Listen        string          `help:"Address for people and programs." env:"ROSTER_LISTEN" default:"127.0.0.1:8080"`
	OpsListen     string          `help:"Address for health and metrics." env:"ROSTER_OPS_LISTEN" default:"127.0.0.1:8081"`
	PublicURL     string          `help:"How the portal is reached from outside; links in mails begin with it." env:"ROSTER_PUBLIC_URL" placeholder:"URL"`
	Database      string          `help:"A PostgreSQL of your own instead of a private one." env:"ROSTER_DATABASE" placeholder:"URL"`
	NATS          natsFlags       `embed:""`
	SMTP          string          `name:"smtp" help:"Mail server; without one, mails are kept and shown at /dev/inbox." env:"ROSTER_SMTP" placeholder:"URL"`
	SMS           string          `name:"sms" help:"Gateway for codes by SMS, as https://:KEY@HOST/PATH; with neither it nor --smtp, they are shown at /dev/inbox." env:"ROSTER_SMS" placeholder:"URL"`
	SMSText       string          `name:"sms-text" help:"What such a message says; {code} is the code, {portal} the portal's name." env:"ROSTER_SMS_TEXT" default:"{code} is your code for {portal}. It is good for 5 minutes. Nobody of {portal} will ask you for it."`
	MailFrom      string          `help:"Sender of mails." env:"ROSTER_MAIL_FROM" default:"roster@localhost"`
	PortalName    string          `help:"What the portal is called in mails and pages." env:"ROSTER_PORTAL_NAME" default:"Roster"`
	Logo          string          `help:"A picture shown beside the portal's name on pages: PNG, JPEG, WebP or SVG." env:"ROSTER_LOGO" placeholder:"FILE"`
	Accent        string          `help:"The portal's colour on pages, as #rrggbb." env:"ROSTER_ACCENT" placeholder:"COLOUR"`
	Portal        string          `help:"The portal profile: standard, owner-manager, admin-viewer, master-user, modules, sub-accounts, or a JSON file." env:"ROSTER_PORTAL" placeholder:"NAME|FILE"`
	PortalOrigin  []string        `help:"Portals that people are sent back to, signed in, from /sign-in?return_to=, such as https://portal.example." env:"ROSTER_PORTAL_ORIGIN" placeholder:"ORIGIN"`
	EmbedOrigin   []string        `help:"Portals that show the page in a frame, such as https://portal.example; none: nobody does." env:"ROSTER_EMBED_ORIGIN" placeholder:"ORIGIN"`
	TrustedProxy  []string        `help:"Networks of your own proxies, whose X-Forwarded-For is believed, such as 10.0.0.0/8." env:"ROSTER_TRUSTED_PROXY" placeholder:"CIDR"`
	SSOPrivate    bool            `name:"sso-allow-private" help:"Let accounts connect OpenID providers at private and loopback addresses; whoever connects one can then have this machine ask there." env:"ROSTER_SSO_ALLOW_PRIVATE"`
	GeoIP         string          `name:"geoip" help:"Address database in MaxMind's format: people then see where their devices signed in." env:"ROSTER_GEOIP" placeholder:"FILE"`
	LogName       string          `help:"Prefix of streams and subjects." env:"ROSTER_LOG_NAME" default:"roster"`
	Demo          bool            `help:"On empty data only: fill it with a believable company." env:"ROSTER_DEMO"`
	NoProjections bool            `help:"Answer from the log alone: commands, checks, who asks; other queries get 503." env:"ROSTER_NO_PROJECTIONS"`
	Drain         time.Duration   `help:"When told to stop: say so at /readyz and serve for so long, until whoever hands out requests has noticed." env:"ROSTER_DRAIN" default:"0s"`
	ClockAhead    time.Duration   `hidden:"" help:"By how much commands are decided ahead of the clock: to try what is due later."`
	LogLevel      string          `help:"What is logged on standard error." env:"ROSTER_LOG_LEVEL" enum:"debug,info,warn,error" default:"warn"`
}

// Run serves until the context ends, then stops everything in order.
func (c *serveCmd) Run(ctx context.Context, io stdio) error {
	logger := c.logger(io)
	if err := c.check(); err != nil {
		return err
	}
	listener, err := listen(ctx, c.Listen)
	if err != nil {
		return err
	}
	ops, err := listen(ctx, c.OpsListen)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	if c.PublicURL == "" {
		_, port, err := net.SplitHostPort(listener.Addr().String())
		if err != nil {
			return err
		}
		c.PublicURL = "http://localhost:" + port
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50) // what is kept is mostly the cache, whose double would be held otherwise
	}
	p, err := start(ctx, c, logger)
	if err != nil {
		return errors.Join(err, listener.Close(), ops.Close())
	}
	if err := p.serve(ctx, listener, ops, io); err != nil {
		return errors.Join(err, p.close())
	}
	return p.close()
}

func (c *serveCmd) logger(io stdio) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		level = slog.LevelWarn
	}
	options := &slog.HandlerOptions{Level: level}
	if isTerminal(io.err) {
		return slog.New(slog.NewTextHandler(io.err, options))
	}
	return slog.New(slog.NewJSONHandler(io.err, options))
}

func (c *serveCmd) check() error {
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return fmt.Errorf("--listen %q: want HOST:PORT", c.Listen)
	}
	if ip := net.ParseIP(host); c.SMTP == "" && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("--listen %s can be reached from elsewhere: give --smtp, since the inbox that shows every mail is for this machine alone", c.Listen)
	}
	if c.Portal != "" { // before anything is made
		if _, err := readPortal(c.Portal); err != nil {
			return fmt.Errorf("--portal: %w", err)
		}
	}
	if c.PublicURL != "" {
		u, err := url.Parse(c.PublicURL)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.TrimSuffix(u.Path, "/") != "" || u.RawQuery != "" {
			return fmt.Errorf("--public-url %q: want https://HOST or http://HOST:PORT", c.PublicURL)
		}
		c.PublicURL = u.Scheme + "://" + u.Host
	}
	for name, list := range map[string][]string{"--portal-origin": c.PortalOrigin, "--embed-origin": c.EmbedOrigin} {
		for i, text := range list {
			origin, err := access.PortalOrigin(text)
			if err != nil {
				return fmt.Errorf("%s %q: %w", name, text, err)
			}
			list[i] = origin
		}
	}
	if err := c.checkServers(); err != nil {
		return err
	}
	if _, err := c.proxies(); err != nil {
		return err
	}
	dir, err := filepath.Abs(c.Data)
	if err != nil {
		return fmt.Errorf("--data %s: %w", c.Data, err)
	}
	c.Data = dir
	if err := os.MkdirAll(c.Data, 0o711); err != nil {
		return fmt.Errorf("--data %s cannot be made: %w", c.Data, errors.Unwrap(err))
	}
	return nil
}

// maxLogo bounds the logo, in bytes: every page loads it once.
const maxLogo = 256 << 10

// logo is the portal's picture, or nil.
func (c *serveCmd) logo() ([]byte, error) {
	if c.Logo == "" {
		return nil, nil
	}
	content, err := os.ReadFile(c.Logo)
	switch {
	case err != nil:
		return nil, fmt.Errorf("--logo: %w", err)
	case len(content) > maxLogo:
		return nil, fmt.Errorf("--logo %s: at most 256 KiB", c.Logo)
	}
	return content, nil
}

// proxies are the networks of our own proxies.
func (c *serveCmd) proxies() (list []netip.Prefix, err error) {
	for _, text := range c.TrustedProxy {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("--trusted-proxy %q: want a network such as 10.0.0.0/8", text)
		}
		list = append(list, p.Masked())
	}
	return list, nil
}

// checkServers looks at the addresses of other servers before anything is made.
func (c *serveCmd) checkServers() error {
	if c.SMTP != "" {
		if _, err := mail.SMTP(c.SMTP); err != nil {
			return fmt.Errorf("--smtp: %w", err)
		}
	}
	if c.SMS != "" {
		if _, err := sms.Open(c.SMS); err != nil {
			return fmt.Errorf("--sms: %w", err)
		}
	}
	if !strings.Contains(c.SMSText, "{code}") {
		return errors.New("--sms-text has no {code} in it")
	}
	if err := c.NATS.check(); err != nil {
		return err
	}
	if c.NATS.URLs != "" && c.Database == "" {
		return errors.New("--nats is for copies that share everything: give --database too, where they meet")
	}
	if _, err := pgxpool.ParseConfig(c.Database); c.Database != "" && err != nil { // err repeats the URL, and with it the password
		return errors.New("--database is no PostgreSQL URL: want postgres://user:password@host/database")
	}
	return nil
}

func listen(ctx context.Context, addr string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: is another program using it? (%w)", addr, errors.Unwrap(err))
	}
	return l, nil
}
