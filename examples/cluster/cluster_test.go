package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/buddychat/buddychat/internal/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// runs runs the program on a new database, and checks that it leaves no files.
func runs(t *testing.T, sending context.Context, out io.Writer, args ...string) (verdict, error) {
	t.Helper()
	c, err := parseFlags(append(args, "-database", pgtest.URL(t)), io.Discard)
	require.NoError(t, err)
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	v, failed := run(t.Context(), sending, c, out)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
	return v, failed
}

// runsWell is runs for a run that must keep every promise.
func runsWell(t *testing.T, sending context.Context, out io.Writer, args ...string) {
	t.Helper()
	v, err := runs(t, sending, out, args...)
	require.NoError(t, err)
	require.NoError(t, v.err())
}

func TestPromisesAreKeptWhileNodesAreKilled(t *testing.T) {
	var out bytes.Buffer
	runsWell(t, t.Context(), &out, "-clients", "12", "-rate", "50", "-duration", "8s", "-kill-every", "1500ms")
	said := out.String()
	for _, what := range []string{"is killed", "is asked to stop", "nodes 3/3", "\nmissed               0\n"} {
		require.Contains(t, said, what)
	}
}

func TestHintsOnNATSWakeTheOtherNodes(t *testing.T) {
	var out bytes.Buffer
	runsWell(t, t.Context(), &out, "-clients", "6", "-rate", "20", "-duration", "3s", "-kill-every", "0", "-nats", "-nodes", "2")
	require.NotContains(t, out.String(), "killed")
}

// A cutter is a writer that calls cut for each write that contains the text.
type cutter struct {
	text string
	cut  func()
}

func (c cutter) Write(p []byte) (int, error) {
	if strings.Contains(string(p), c.text) {
		c.cut()
	}
	return len(p), nil
}

func TestInterruptEndsTheSendingAndStillGivesAVerdict(t *testing.T) {
	sending, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	began := time.Now()
	runsWell(t, sending, cutter{"sent", interrupt}, "-clients", "6", "-rate", "20", "-duration", "1h", "-nodes", "1")
	require.Less(t, time.Since(began), time.Minute)
}

func TestInterruptDuringSetupEndsTheRun(t *testing.T) {
	sending, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	_, err := runs(t, sending, cutter{"making 3 users", interrupt}, "-clients", "6", "-nodes", "1")
	require.ErrorIs(t, err, context.Canceled)
}

func TestInvalidFlagsAreRejected(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"-clients=5", "-nodes=0", "-rate=0", "-duration=0s", "-kill-every=-1s", "what", "-nodes=many"} {
		_, err := parseFlags([]string{args}, io.Discard)
		require.Error(t, err, args)
	}
	_, err := parseFlags(nil, io.Discard)
	require.NoError(t, err)
}

func TestHistogramQuantiles(t *testing.T) {
	t.Parallel()
	var h histogram
	require.Equal(t, "p50 -  p99 -", h.String())
	for i := range 100 {
		h.add(time.Duration(i+1) * time.Millisecond)
	}
	require.InEpsilon(t, 51*time.Millisecond, h.quantile(0.5), 0.06)
	require.InEpsilon(t, 100*time.Millisecond, h.quantile(0.99), 0.06)
	h.add(0)
	h.add(24 * time.Hour)
	require.Equal(t, 102, h.total)
}
