package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

var silent = slog.New(slog.DiscardHandler)

func TestStopLeavesNoGoroutine(t *testing.T) { // not parallel: it looks at all goroutines
	before := goleak.IgnoreCurrent()
	ctx, cancel := context.WithCancel(t.Context())
	said, says := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, config{
			addr: "127.0.0.1:0", database: "sqlite:" + t.TempDir() + "/test.db", hints: hintsOfDatabase, accessTokenTTL: time.Minute, refreshTokenTTL: time.Hour, retention: time.Hour, demo: true,
		}, says, silent)
		says.Close() //nolint:errcheck // never fails
	}()
	line := make([]byte, len("listening on http://"))
	_, err := io.ReadFull(said, line)
	require.NoError(t, err)
	cancel() // while the demonstration is being set up
	_, err = io.Copy(io.Discard, said)
	require.NoError(t, err)
	require.NoError(t, <-ended)
	http.DefaultClient.CloseIdleConnections()
	goleak.VerifyNone(t, before)
}

func TestHealthCheckReportsTheDatabase(t *testing.T) {
	t.Parallel()
	for want, cause := range map[int]error{http.StatusOK: nil, http.StatusServiceUnavailable: errors.New("a cause that nobody else must see")} {
		w := httptest.NewRecorder()
		health(func(context.Context) error { return cause }, silent)(w, httptest.NewRequest(http.MethodGet, "/healthz", nil))
		require.Equal(t, want, w.Code)
		require.NotContains(t, w.Body.String(), "cause")
	}
}

func TestPrintedURLCanBeUsedOnThisMachine(t *testing.T) {
	t.Parallel()
	for listening, want := range map[string]string{
		"127.0.0.1:8080": "http://127.0.0.1:8080",
		"0.0.0.0:8080":   "http://127.0.0.1:8080",
		"[::]:8080":      "http://127.0.0.1:8080",
		"[::1]:8080":     "http://[::1]:8080",
	} {
		a, err := net.ResolveTCPAddr("tcp", listening)
		require.NoError(t, err)
		require.Equal(t, want, baseURL(a))
	}
}

func TestHealthCheckAsksTheDatabaseAtMostOnceASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		check := health(func(context.Context) error {
			if asked++; asked > 1 {
				return errors.New("the disk is full")
			}
			return nil
		}, silent)
		status := func() int {
			w := httptest.NewRecorder()
			check(w, httptest.NewRequest(http.MethodGet, "/healthz", nil))
			return w.Code
		}
		for range 100 {
			require.Equal(t, http.StatusOK, status())
		}
		require.Equal(t, 1, asked)
		time.Sleep(healthInterval) // by the fake clock of synctest
		require.Equal(t, http.StatusServiceUnavailable, status())
		require.Equal(t, http.StatusServiceUnavailable, status())
		require.Equal(t, 2, asked)
	})
}
