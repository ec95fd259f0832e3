// Package pgserver runs a private PostgreSQL server, with the initdb and pg_ctl on the PATH or in
// /usr/lib/postgresql. It is for tests, demonstrations and benchmarks.
package pgserver

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
)

// A Server listens on the loopback address, with a random password. [Server.Close] stops it and
// removes its files. So does the end of this process, however it ends.
type Server struct {
	// URL is the address of a database on the server, for a superuser.
	URL string

	alive io.WriteCloser // takes commands; the server stops when it is closed
	said  *bufio.Reader
	cmd   *exec.Cmd
}

// Start starts a server, which takes a second or two. With fsync, the server syncs to disk as in
// production. Without, a power loss may destroy its data.
func Start(fsync bool) (*Server, error) { return start(fsync) }

// Crash stops the server at once. Uncommitted transactions are lost, and every connection is cut.
func (s *Server) Crash() error { return s.do("stop") }

// Restart starts the server again after a crash, at the same address. It returns when the server
// has recovered.
func (s *Server) Restart() error { return s.do("start") }

func (s *Server) do(command string) error {
	if _, err := fmt.Fprintln(s.alive, command); err != nil {
		return fmt.Errorf("pgserver: %s: %w", command, err)
	}
	if err := s.answer(); err != nil {
		return fmt.Errorf("pgserver: %s: %w", command, err)
	}
	return nil
}

// answer waits for the result of a command.
func (s *Server) answer() error {
	said, err := s.said.ReadString('\n')
	if err == nil && said != "ready\n" {
		err = errors.New(strings.TrimSpace(said))
	}
	return err
}

// Close stops the server as [Server.Crash] does, and removes its files.
func (s *Server) Close() error {
	err := s.alive.Close()
	if ended := s.cmd.Wait(); err == nil {
		err = ended
	}
	return err
}
