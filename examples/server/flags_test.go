package main

import (
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFlagOverridesItsEnvironmentVariable(t *testing.T) {
	t.Parallel()
	environment := map[string]string{
		"BUDDYCHAT_ADDR":              "127.0.0.1:1",
		"BUDDYCHAT_DATABASE":          "memory:",
		"BUDDYCHAT_ORIGIN":            "https://one.example, capacitor://localhost",
		"BUDDYCHAT_PROXIES":           "2",
		"BUDDYCHAT_HOST":              "one.example,two.example:8080",
		"BUDDYCHAT_THROTTLE":          "false",
		"BUDDYCHAT_ACCESS_TOKEN_TTL":  "1m",
		"BUDDYCHAT_REFRESH_TOKEN_TTL": "", // same as not set
	}
	getenv := func(name string) string { return environment[name] }

	c, err := parseFlags(nil, getenv, io.Discard)
	require.NoError(t, err)
	require.Equal(t, config{
		addr: "127.0.0.1:1", database: "memory:", hints: "database", origins: []string{"https://one.example", "capacitor://localhost"}, proxies: 2, hosts: []string{"one.example", "two.example:8080"},
		accessTokenTTL: time.Minute, refreshTokenTTL: 7 * 24 * time.Hour, retention: 72 * time.Hour,
	}, c)

	c, err = parseFlags([]string{"-addr=:2", "-origin=http://three.example", "-origin", "tauri://four,chrome-extension://abc", "-throttle", "-access-token-ttl=2m", "-proxies=1", "-host=three.example"}, getenv, io.Discard)
	require.NoError(t, err)
	require.Equal(t, config{
		addr: ":2", database: "memory:", hints: "database", throttle: true, proxies: 1, hosts: []string{"three.example"},
		origins:        []string{"http://three.example", "tauri://four", "chrome-extension://abc"},
		accessTokenTTL: 2 * time.Minute, refreshTokenTTL: 7 * 24 * time.Hour, retention: 72 * time.Hour,
	}, c)
}

func TestInvalidFlagsAreRejectedWithTheRemedy(t *testing.T) {
	t.Parallel()
	none := func(string) string { return "" }
	for arg, want := range map[string]string{
		"-origin=*":                      `the origin "*" is a pattern: list each origin separately`,
		"-origin=https://*.example.com":  "is a pattern",
		"-origin=https://one.example,*":  "is a pattern",
		"-origin=example.com":            "write scheme and host",
		"-origin=https://one.example/":   "write scheme and host",
		"-origin=https://me@one.example": "write scheme and host",
		"-origin=https://one.example, ,": "write scheme and host",
		"-origin=null":                   "write scheme and host",
		"-host=https://one.example":      "write a name",
		"-host=*.example":                "write a name",
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
