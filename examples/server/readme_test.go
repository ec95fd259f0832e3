//go:build unix

package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestREADMESessionDeliversAMessageToASocket(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("the session of the README needs curl")
	}
	root := filepath.Join("..", "..")
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	require.NoError(t, err)
	session := between(t, string(readme), "```sh\n", "```\n")
	const usual = "http://127.0.0.1:8080"
	require.Contains(t, session, usual)

	p := start(t, t.TempDir())
	cmd := exec.CommandContext(t.Context(), "sh", "-c", strings.ReplaceAll(session, usual, p.url))
	cmd.Dir = root
	cmd.Stderr = t.Output()
	// A process group lets the cleanup kill the background processes of the session too.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	})

	var said strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		said.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), "CHAT_MESSAGE_CREATED") {
			require.Contains(t, lines.Text(), "Why is a raven like a writing-desk?")
			require.NotContains(t, said.String(), "errors")
			return
		}
	}
	t.Fatalf("no message came:\n%s", said.String())
}
