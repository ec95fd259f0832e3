package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// binary is the path of the server, which TestMain builds once.
var binary string

func TestMain(m *testing.M) { os.Exit(buildAndTest(m)) }

func buildAndTest(m *testing.M) int {
	dir, err := os.MkdirTemp("", "buddychat-server-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir) //nolint:errcheck // it is a temporary directory
	binary = filepath.Join(dir, "server")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// A process is a running server.
type process struct {
	cmd    *exec.Cmd
	url    string
	stdout *text // the output after the line that says it is ready
	stderr *text
	done   chan struct{}
}

// A text is a buffer that one goroutine may write while another reads it.
type text struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *text) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *text) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// command returns the server's command with these flags, in dir. Of the environment variables that
// the server reads, only those in env are set.
func command(t *testing.T, dir string, env []string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Dir = dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + t.TempDir()}, env...)
	return cmd
}

// start starts the server on a free port and waits until it is ready.
func start(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	p := &process{cmd: command(t, dir, []string{"BUDDYCHAT_ADDR=127.0.0.1:0"}, args...), stdout: &text{}, stderr: &text{}, done: make(chan struct{})}
	p.cmd.Stderr = p.stderr
	out, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })

	lines := bufio.NewReader(out)
	first, err := lines.ReadString('\n')
	require.NoError(t, err, p.stderr)
	url, ok := strings.CutPrefix(first, "listening on ")
	require.True(t, ok, first)
	p.url = strings.TrimSpace(url)
	require.Regexp(t, `^http://127\.0\.0\.1:[1-9]\d*$`, p.url)
	go func() {
		defer close(p.done)
		_, _ = io.Copy(p.stdout, lines)
	}()
	return p
}

// stop sends a signal, waits for the process to end, and returns its exit status and how long it
// took.
func (p *process) stop(t *testing.T, signal syscall.Signal) (status int, took time.Duration) {
	t.Helper()
	began := time.Now()
	require.NoError(t, p.cmd.Process.Signal(signal))
	<-p.done // read everything first: Wait closes the pipe
	_ = p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode(), time.Since(began)
}
