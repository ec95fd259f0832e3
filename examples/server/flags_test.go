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
		"BUDDYCHAT_ORIGIN":            "https://one.example, capacitor://localhost",
		"BUDDYCHAT_PROXIES":           "2",
		"BUDDYCHAT_THROTTLE":          "false",
		"BUDDYCHAT_ACCESS_TOKEN_TTL":  "1m",
		"BUDDYCHAT_REFRESH_TOKEN_TTL": "", // counts as not set
	}
	getenv := func(name string) string { return environment[name] }

	c, err := parseFlags(nil, getenv, io.Discard)
	require.NoError(t, err)
	require.Equal(t, config{
		addr: "127.0.0.1:1", database: "memory:", hints: "database", origins: origins{"https://one.example", "capacitor://localhost"}, proxies: 2,
		accessTokenTTL: time.Minute, refreshTokenTTL: 7 * 24 * time.Hour, retention: 72 * time.Hour,
	}, c)

	c, err = parseFlags([]string{"-addr=:2", "-origin=http://three.example", "-origin", "tauri://four,chrome-extension://abc", "-throttle", "-access-token-ttl=2m", "-proxies=1"}, getenv, io.Discard)
	require.NoError(t, err)
	require.Equal(t, config{
		addr: ":2", database: "memory:", hints: "database", throttle: true, proxies: 1,
		origins:        origins{"http://three.example", "tauri://four", "chrome-extension://abc"},
		accessTokenTTL: 2 * time.Minute, refreshTokenTTL: 7 * 24 * time.Hour, retention: 72 * time.Hour,
	}, c)
}

func TestFlagsThatCannotBeAreRefusedWithWhatToGive(t *testing.T) {
	t.Parallel()
	none := func(string) string { return "" }
	for arg, want := range map[string]string{
		"-origin=*":                      "a pattern with * is refused",
		"-origin=https://*.example.com":  "a pattern with * is refused",
		"-origin=https://one.example,*":  "a pattern with * is refused",
		"-origin=example.com":            "want scheme://host[:port]",
		"-origin=https://one.example/":   "want scheme://host[:port]",
		"-origin=https://me@one.example": "want scheme://host[:port]",
		"-origin=https://one.example, ,": "want scheme://host[:port]",
		"-origin=null":                   "want scheme://host[:port]",
		"-origin=file:///":               "want scheme://host[:port]",
		"-proxies=-1":                    "-proxies is -1: give it the number of proxies",
		"-proxies=17":                    "-proxies is 17",
		"-proxies=one":                   "invalid value",
		"-access-token-ttl=1ms":          "a second or more",
	} {
		t.Run(arg, func(t *testing.T) {
			t.Parallel()
			_, err := parseFlags([]string{arg}, none, io.Discard)
			require.ErrorContains(t, err, want)
		})
	}
}
