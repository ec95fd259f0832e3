package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/realtime/natsbus"
)

// The values of -hints that are not addresses.
const (
	hintsOfDatabase = "database"
	hintsNone       = "none"
)

// errHints does not quote the value: it may contain a password.
var errHints = errors.New("-hints must be database, none, or nats://HOST[:PORT]")

func checkHints(value string) error {
	if value == hintsOfDatabase || value == hintsNone {
		return nil
	}
	for server := range strings.SplitSeq(value, ",") {
		u, err := url.Parse(strings.TrimSpace(server))
		if err != nil || u.Host == "" || (u.Scheme != "nats" && u.Scheme != "tls") {
			return errHints
		}
	}
	return nil
}

// openBus connects to the bus that -hints names. A nil bus means the one of the database.
func openBus(value string, log *slog.Logger) (bus realtime.Bus, closeBus func(), err error) {
	switch value {
	case hintsOfDatabase:
		return nil, func() {}, nil
	case hintsNone:
		return realtime.NoBus{}, func() {}, nil
	}
	conn, err := nats.Connect(value, nats.Name("buddychat"), nats.MaxReconnects(-1),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("NATS is away; the log is looked into regularly", "error", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { log.Info("NATS is back") }))
	if err != nil {
		return nil, nil, fmt.Errorf("-hints: NATS cannot be reached: %w", err)
	}
	return natsbus.New(conn, nil), conn.Close, nil
}
