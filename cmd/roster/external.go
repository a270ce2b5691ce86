package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"roster/infra/eventlog"
	"roster/infra/nats"
)

// natsFlags say where a log outside the process is. Without URLs it is embedded.
type natsFlags struct {
	URLs     string `name:"nats" help:"NATS servers of your own instead of the embedded log, with commas between; user:password or a token may stand in the URL. Any number of copies may share them, with one --database and one keyring." env:"ROSTER_NATS" placeholder:"URL,…"`
	Creds    string `name:"nats-creds" help:"Credentials for NATS: a file with a JWT and its key." env:"ROSTER_NATS_CREDS" placeholder:"FILE"`
	CA       string `name:"nats-ca" help:"Certificates that sign those of NATS, instead of the system's; then only TLS is spoken." env:"ROSTER_NATS_CA" placeholder:"FILE"`
	Cert     string `name:"nats-cert" help:"Our certificate for NATS." env:"ROSTER_NATS_CERT" placeholder:"FILE"`
	Key      string `name:"nats-key" help:"The key of that certificate." env:"ROSTER_NATS_KEY" placeholder:"FILE"`
	Monitor  string `name:"nats-monitor" help:"Monitoring endpoints of the NATS servers, where it is read whether they sync before they acknowledge; http://HOST:8222 of each unless told." env:"ROSTER_NATS_MONITOR" placeholder:"URL,…"`
	Replicas int    `name:"nats-replicas" help:"On how many NATS servers new streams are kept; 0: on 3 of a cluster, else on 1." env:"ROSTER_NATS_REPLICAS" default:"0"`
}

func (f natsFlags) check() error {
	if f.URLs == "" {
		if f != (natsFlags{}) {
			return errors.New("--nats-… says how the servers of --nats are used, and --nats names none")
		}
		return nil
	}
	if (f.Cert == "") != (f.Key == "") {
		return errors.New("--nats-cert and --nats-key go together")
	}
	if f.Replicas < 0 || f.Replicas > 5 {
		return fmt.Errorf("--nats-replicas %d: want 1, 3 or 5", f.Replicas)
	}
	for _, one := range strings.Split(f.Monitor, ",") {
		if u, err := url.Parse(strings.TrimSpace(one)); f.Monitor != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
			return fmt.Errorf("--nats-monitor %q: want http://HOST:PORT, several with commas between", f.Monitor)
		}
	}
	return nil
}

func (f natsFlags) connect(ctx context.Context, log *slog.Logger) (*natsgo.Conn, error) {
	return nats.Connect(ctx, nats.Remote{URLs: f.URLs, Creds: f.Creds, CA: f.CA, Cert: f.Cert, Key: f.Key, Log: log})
}

// startRemoteLog opens the log and the vault on servers elsewhere, and refuses those that would lose what they have
// acknowledged. Others write there too.
func (p *program) startRemoteLog(ctx context.Context) error {
	conn, err := p.options.NATS.connect(ctx, p.logger)
	if err != nil {
		return fmt.Errorf("--nats: %w", err)
	}
	p.onClose(func() error { conn.Close(); return nil })
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	there, err := hasFacts(ctx, js, p.options.LogName)
	if err != nil {
		// What our account may not ask for is not answered at all; the reason comes beside the answer.
		if because := conn.LastError(); because != nil && errors.Is(err, context.DeadlineExceeded) {
			err = because
		}
		return fmt.Errorf("--nats: %w", err)
	}
	if p.keys, err = openKeyring(p.options.Data, there); err != nil {
		return err
	}
	replicas := p.options.NATS.Replicas
	if replicas == 0 {
		replicas = 1
		if conn.ConnectedClusterName() != "" {
			replicas = 3
		}
	}
	p.log, err = eventlog.Open(ctx, conn, p.options.LogName, eventlog.Replicas(replicas))
	if err != nil {
		return fmt.Errorf("--nats: %w", err)
	}
	p.onClose(func() error { p.log.Close(); return nil })
	if err := p.openStreams(ctx, js, nil, replicas); err != nil {
		return err
	}
	p.shared = true
	_, warnings, err := promises(ctx, conn, js, p.options.LogName, p.options.NATS.Monitor)
	for _, w := range warnings {
		p.logger.Warn(w)
	}
	if err != nil {
		return fmt.Errorf("--nats: %w", err)
	}
	return nil
}

func streams(logName string) []string {
	name := strings.ToUpper(logName)
	return []string{name + "_LOG", name + "_VAULT", name + "_FEED", name + "_FEED_PLACE"}
}

// hasFacts says whether there is a log with commits in it.
func hasFacts(ctx context.Context, js jetstream.JetStream, logName string) (bool, error) {
	s, err := js.Stream(ctx, streams(logName)[0])
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return false, nil
	case errors.Is(err, natsgo.ErrNoResponders), errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return false, fmt.Errorf("JetStream is not enabled there, or not for our account: %w", err)
	case err != nil:
		return false, err
	}
	return s.CachedInfo().State.LastSeq > 0, nil
}

// promises looks at what the servers promise of each stream: on how many each is kept, one warning for all that is
// weaker than it could be, or why they may not be used.
func promises(ctx context.Context, conn *natsgo.Conn, js jetstream.JetStream, logName, monitor string) (said string, warnings []string, err error) {
	servers := nats.ReadServers(ctx, conn, monitor)
	for _, name := range streams(logName) {
		stream, err := js.Stream(ctx, name)
		if err != nil {
			return "", nil, fmt.Errorf("stream %s: %w", name, err)
		}
		info := stream.CachedInfo()
		if said == "" {
			said = fmt.Sprintf("stream %s, copies: %d, commits: %d", name, info.Config.Replicas, info.State.LastSeq)
		}
		warning, err := servers.Holds(info)
		if err != nil {
			return "", nil, err
		}
		if warning != "" && len(warnings) == 0 { // the others say the same
			warnings = append(warnings, warning)
		}
	}
	return said, warnings, nil
}
