package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/buddychat/buddychat"
	"github.com/buddychat/buddychat/internal/origin"
)

// A config holds the settings from the flags and the environment.
type config struct {
	addr, database, hints, secret   string
	throttle, introspection, demo   bool
	proxies                         int
	accessTokenTTL, refreshTokenTTL time.Duration
	retention                       time.Duration
	origins, hosts                  []string
}

// A list is a flag that may be repeated. One value may also hold several entries, separated by
// commas.
type list struct {
	entries []string
	check   func(entries []string) error
}

func (l *list) String() string { return strings.Join(l.entries, ",") }

func (l *list) Set(value string) error {
	for entry := range strings.SplitSeq(value, ",") {
		l.entries = append(l.entries, strings.TrimSpace(entry))
	}
	return l.check(l.entries)
}

// checkOrigins and checkHosts reject what the API would reject, before the server creates anything.
func checkOrigins(entries []string) error {
	if _, err := origin.NewList(entries); err != nil {
		return fmt.Errorf("%w: want scheme://host[:port]", err)
	}
	return nil
}

func checkHosts(entries []string) error {
	_, err := origin.NewHosts(entries)
	return err
}

// maxProxies is more than any real chain of proxies.
const maxProxies = 16

const minSecret = 32

const secretUsage = "sign access tokens with this `text` of at least 32 bytes that nobody can guess (rather in the variable: other users of the machine\n" +
	"see flags). Without it a key is made on the first run and kept in a file: beside a SQLite database, for PostgreSQL in buddychat.key"

// parseFlags reads the flags, and takes those that are not given from the environment. If help is
// requested, it writes the help to out and returns [flag.ErrHelp].
func parseFlags(args []string, getenv func(string) string, out io.Writer) (config, error) {
	var c config
	flags := flag.NewFlagSet("server", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // main prints errors, on one line
	flags.StringVar(&c.addr, "addr", "127.0.0.1:8080", "listen on this `host:port`; port 0 is any that is free")
	flags.StringVar(&c.database, "database", "sqlite:buddychat.db", "keep everything in the database at this `address`: sqlite:PATH, postgres://…, or memory:, which keeps nothing")
	flags.StringVar(&c.hints, "hints", hintsOfDatabase, "how the nodes on one PostgreSQL tell each other that there is news: database (LISTEN and NOTIFY), none (each looks\n"+
		"once a second), or the `address` of a NATS server, nats://HOST:PORT")
	flags.StringVar(&c.secret, "secret", "", secretUsage)
	flags.BoolVar(&c.throttle, "throttle", true, "limit rates, sockets, and connections of an address; -throttle=false is for load tests")
	flags.BoolVar(&c.introspection, "introspection", false, "let anybody ask for the schema")
	flags.DurationVar(&c.accessTokenTTL, "access-token-ttl", 50*time.Minute, "access tokens live for this `duration`")
	flags.DurationVar(&c.refreshTokenTTL, "refresh-token-ttl", 7*24*time.Hour, "refresh tokens live for this `duration`")
	flags.DurationVar(&c.retention, "retention", buddychat.DefaultRetention, "events can be resumed for this `duration`, and are removed then")
	origins, hosts := list{check: checkOrigins}, list{check: checkHosts}
	flags.Var(&origins, "origin", "let pages and apps of this `origin` (scheme://host[:port], of any scheme) call from another host; repeat it for more, or put\n"+
		"commas between them")
	flags.Var(&hosts, "host", "answer only requests for this `name` (host[:port]), which keeps out pages that point a name of their own at this address; repeat it\n"+
		"for more, or put commas between them")
	flags.IntVar(&c.proxies, "proxies", 0, "this `number` of trusted proxies stand in front, each of which appends to X-Forwarded-For the address that it was called from;\n"+
		"rates and numbers of sockets are counted by the address before the first of them. With 0 the header is not believed")
	flags.BoolVar(&c.demo, "demo", false, "make two users with a chat and a group, and print requests to talk as them")

	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		writeHelp(flags, out)
		return c, err
	}
	if err == nil {
		err = parseEnvironment(flags, getenv)
	}
	c.origins, c.hosts = origins.entries, hosts.entries
	if err == nil {
		err = c.check(flags.Args())
	}
	if err != nil {
		return c, fmt.Errorf("%w (-h shows all flags)", err)
	}
	return c, nil
}

// variable is the name of the environment variable for a flag.
func variable(name string) string {
	return "BUDDYCHAT_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// parseEnvironment sets each flag that was not given from its variable, unless that is empty.
func parseEnvironment(flags *flag.FlagSet, getenv func(string) string) (err error) {
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	flags.VisitAll(func(f *flag.Flag) {
		value := getenv(variable(f.Name))
		if value == "" || given[f.Name] || err != nil {
			return
		}
		if bad := f.Value.Set(value); bad != nil {
			err = fmt.Errorf("invalid value %q for %s: %w", value, variable(f.Name), bad)
		}
	})
	return err
}

// check rejects settings that would otherwise fail only after the server has created files or
// tables.
func (c config) check(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("there is an argument that is no flag: %q", rest[0])
	case c.secret != "" && len(c.secret) < minSecret:
		return fmt.Errorf("-secret has %d bytes: give it %d or more", len(c.secret), minSecret)
	case c.proxies < 0 || c.proxies > maxProxies:
		return fmt.Errorf("-proxies is %d: give it the number of proxies in front of the server, 0 to %d", c.proxies, maxProxies)
	case c.retention < time.Second:
		return fmt.Errorf("-retention is %v: give it a second or more", c.retention)
	case checkHints(c.hints) != nil:
		return checkHints(c.hints)
	case c.accessTokenTTL < time.Second:
		return fmt.Errorf("-access-token-ttl is %v: give it a second or more", c.accessTokenTTL)
	case c.refreshTokenTTL < time.Second:
		return fmt.Errorf("-refresh-token-ttl is %v: give it a second or more", c.refreshTokenTTL)
	}
	return nil
}

func writeHelp(flags *flag.FlagSet, out io.Writer) {
	fmt.Fprint(out, "The reference server of BuddyChat: GraphQL at /graphql, over HTTP and WebSocket, and /healthz.\n\nUsage: server [flags]\n\n"+
		"Each flag can be given as an environment variable as well (-access-token-ttl as BUDDYCHAT_ACCESS_TOKEN_TTL); the flag wins.\n\n")
	flags.VisitAll(func(f *flag.Flag) { f.Usage += " [" + variable(f.Name) + "]" })
	flags.SetOutput(out)
	flags.PrintDefaults()
}
