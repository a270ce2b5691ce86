package archtest

// row says what a package may import besides the standard library.
type row struct {
	pkg   string   // below the module's path; x/... is x and all below it
	own   []string // packages of this module, in the same form
	third []string // modules of others
	any   bool     // own and third: whatever there is
	later bool     // not built yet: when it is, this has to be taken out
}

const (
	bloom      = "github.com/bits-and-blooms/bloom/v3"
	kong       = "github.com/alecthomas/kong"
	gomail     = "github.com/wneessen/go-mail"
	huma       = "github.com/danielgtaylor/huma/v2"
	jcs        = "github.com/gowebpki/jcs"
	maxminddb  = "github.com/oschwald/maxminddb-golang/v2"
	oidc       = "github.com/coreos/go-oidc/v3"
	oauth2     = "golang.org/x/oauth2"
	natsGo     = "github.com/nats-io/nats.go"
	natsServer = "github.com/nats-io/nats-server/v2"
	pgx        = "github.com/jackc/pgx/v5"
	qr         = "rsc.io/qr"
	prometheus = "github.com/prometheus/client_golang"
	templ      = "github.com/a-h/templ"
	userAgent  = "github.com/mileusna/useragent"
	uuid       = "github.com/google/uuid"
	webauthn   = "github.com/go-webauthn/webauthn"
	xCrypto    = "golang.org/x/crypto"
	xNet       = "golang.org/x/net"
	xSys       = "golang.org/x/sys"
	xText      = "golang.org/x/text"
	zxcvbn     = "github.com/ccojocar/zxcvbn-go"
)

// table is who may know whom. The most exact row of a package counts.
func table() []row {
	return []row{
		// The core.
		{pkg: "events"},
		{pkg: "domain", own: []string{"events"}},
		{pkg: "projections/...", own: []string{"events"}, third: []string{pgx, xText}},
		{pkg: "handlers", own: []string{"events", "domain"}, third: []string{uuid}},
		{pkg: "handlers/address", third: []string{xNet}},
		{pkg: "handlers/origin", own: []string{"events"}, third: []string{userAgent}},
		{pkg: "handlers/access", own: []string{"events", "domain", "handlers", "handlers/address", "handlers/origin"}, third: []string{uuid, qr}},
		{pkg: "handlers/locale", third: []string{xText}},
		{pkg: "handlers/enroll", own: []string{"events", "domain", "handlers", "handlers/access", "handlers/address"}, third: []string{uuid}},

		// Transports: they translate and decide nothing.
		{pkg: "handlers/api/...", own: transport("handlers/api/..."), third: []string{huma, jcs, prometheus}},
		{pkg: "handlers/web/...", own: transport("handlers/web/..."), third: []string{templ, xText}},
		{pkg: "handlers/scim/...", own: transport("handlers/scim/..."), third: []string{uuid, xNet}, later: true},

		// Those who react.
		{pkg: "handlers/mailer", own: []string{"events", "domain", "handlers", "handlers/origin", "handlers/mailer/..."}},
		{pkg: "handlers/mailer/compose"},
		{pkg: "handlers/eraser", own: []string{"events", "domain", "handlers", "handlers/address"}},
		{pkg: "handlers/webhooks/...", own: []string{"events", "domain", "handlers", "handlers/webhooks/..."}, later: true},
		{pkg: "handlers/feed", own: []string{"events"}},
		{pkg: "handlers/expirer", own: []string{"events", "domain", "handlers", "projections/..."}},

		// What makes an interface true, each with one third party.
		{pkg: "infra/archtest"},
		{pkg: "infra/bench", any: true}, // measures all of it, wired as the program is
		{pkg: "infra/eventlog/...", own: []string{"events", "handlers", "projections/...", "infra/eventlog/...", "infra/streams"}, third: []string{natsGo}},
		{pkg: "infra/faults/...", any: true}, // breaks all of it, and looks into what is left
		{pkg: "infra/feedlog", own: []string{"events", "handlers/feed", "infra/streams"}, third: []string{natsGo}},
		{pkg: "infra/feedlog/feedtest", any: true}, // for tests: a running log with everything under it
		{pkg: "infra/outbox", own: []string{"events", "handlers/mailer"}, third: []string{pgx}},
		{pkg: "infra/seen", own: []string{"events", "handlers/access"}, third: []string{pgx}},
		{pkg: "infra/sms"},
		{pkg: "infra/passkey", own: []string{"events", "handlers/access"}, third: []string{webauthn}},
		{pkg: "infra/passkey/passkeytest", any: true}, // for tests: keys such as an authenticator makes
		{pkg: "infra/oidc/oidctest", any: true},       // for tests: an OpenID provider
		{pkg: "infra/oidc", own: []string{"events", "handlers/access"}, third: []string{oidc, oauth2}},
		{pkg: "infra/geoip", third: []string{maxminddb}},
		{pkg: "infra/lease", third: []string{pgx}},
		{pkg: "infra/keyring", own: []string{"events"}},
		{pkg: "infra/mail", third: []string{gomail}},
		{pkg: "infra/nats", third: []string{natsGo, natsServer, xSys}},
		{pkg: "infra/nats/natstest", third: []string{natsServer}},
		{pkg: "infra/password", third: []string{bloom, xCrypto, xText, zxcvbn}},
		{pkg: "infra/postgres/snapshots", own: []string{"domain", "events", "handlers"}, third: []string{pgx}},
		{pkg: "infra/postgres/launch/...", own: []string{"infra/postgres/launch/..."}, third: []string{pgx}},
		{pkg: "infra/seal", own: []string{"events"}, third: []string{xCrypto}},
		{pkg: "infra/sealer", own: []string{"events", "handlers", "projections/...", "infra/seal", "infra/vault"}},
		{pkg: "infra/streams", third: []string{natsGo}},
		{pkg: "infra/token", own: []string{"events", "handlers/access"}},
		{pkg: "infra/vault", own: []string{"events", "infra/keyring", "infra/seal", "infra/streams"}, third: []string{natsGo, uuid, xCrypto}},

		// Wiring. Nobody imports it.
		{pkg: "cmd/dev", own: []string{"infra/bench", "infra/faults/..."}},
		{pkg: "cmd/...", any: true},
	}
}

func transport(self string) []string {
	return []string{"events", "domain", "handlers", "handlers/access", "handlers/address", "handlers/enroll", "handlers/locale", "handlers/origin", "projections/...", self}
}

// pure are the packages whose answers depend on nothing but what they are given.
func pure() []string { return []string{"domain"} }

// impure may not be imported by pure packages; a name with a slash at its end is all below it, too.
func impure() []string {
	return []string{
		"context", "crypto/rand", "io/fs", "log", "log/slog", "math/rand", "math/rand/v2", "net", "net/http/", "net/rpc", "net/smtp",
		"os", "os/", "runtime", "sync", "syscall", "testing", "unsafe",
	}
}

// clocks are what a pure package may not take from package time.
func clocks() []string {
	return []string{"Now", "Since", "Until", "After", "AfterFunc", "Sleep", "Tick", "NewTicker", "NewTimer", "Local", "LoadLocation"}
}

// allowedVars are package-level variables that look mutable and are not, with the reason.
func allowedVars() map[string]string {
	return map[string]string{
		"domain.standard":                     "the built-in profile; nobody changes it",
		"domain.standardProfile":              "a value, never assigned to",
		"handlers/api.overrideHuma":           "two settings of huma's that it keeps in variables: set once, before the first request",
		"events.catalogue":                    "lookup table, made once from the catalog",
		"infra/postgres/launch/pgtest.shared": "one server for all tests of a program, started by the first that asks",
	}
}

// allowedPanics are functions that may panic, with the reason.
func allowedPanics() map[string]string {
	return map[string]string{}
}
