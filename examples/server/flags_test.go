package main

import (
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAFlagWinsOverItsVariable(t *testing.T) {
	t.Parallel()
	environment := map[string]string{
		"BUDDYCHAT_ADDR":              "127.0.0.1:1",
		"BUDDYCHAT_DATABASE":          "memory:",
		"BUDDYCHAT_ORIGIN":            "https://one.example, https://two.example",
		"BUDDYCHAT_THROTTLE":          "false",
		"BUDDYCHAT_ACCESS_TOKEN_TTL":  "1m",
		"BUDDYCHAT_REFRESH_TOKEN_TTL": "", // counts as not set
	}
	getenv := func(name string) string { return environment[name] }

	c, err := parseFlags(nil, getenv, io.Discard)
	require.NoError(t, err)
	require.Equal(t, config{
		addr: "127.0.0.1:1", database: "memory:", hints: "database", origins: origins{"https://one.example", "https://two.example"},
		accessTokenTTL: time.Minute, refreshTokenTTL: 7 * 24 * time.Hour, retention: 72 * time.Hour,
	}, c)

	c, err = parseFlags([]string{"-addr=:2", "-origin=http://three.example", "-throttle", "-access-token-ttl=2m"}, getenv, io.Discard)
	require.NoError(t, err)
	require.Equal(t, config{
		addr: ":2", database: "memory:", hints: "database", throttle: true, origins: origins{"http://three.example"},
		accessTokenTTL: 2 * time.Minute, refreshTokenTTL: 7 * 24 * time.Hour, retention: 72 * time.Hour,
	}, c)
}
