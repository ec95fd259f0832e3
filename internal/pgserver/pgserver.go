// Package pgserver runs a private PostgreSQL, from the initdb and pg_ctl on the PATH or in /usr/lib/postgresql. It is for tests, and for programs
// that show or measure something.
package pgserver

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
)

// A Server listens on the loopback address, with a password that nobody else knows. It ends, and its files go, with [Server.Close] or with this process,
// however that ends.
type Server struct {
	// URL is the address of a database on it, with a user who may do everything.
	URL string

	alive io.WriteCloser // it lives for as long as this is open, and takes commands by it
	said  *bufio.Reader
	cmd   *exec.Cmd
}

// Start starts a server, which takes a second or two. With fsync it syncs to disk as in production; without, its data does not
// survive a loss of power.
func Start(fsync bool) (*Server, error) { return start(fsync) }

// Crash stops the server at once: what was not committed is lost, and every connection is cut.
func (s *Server) Crash() error { return s.do("stop") }

// Restart starts the server again after a crash, at the same address, and returns when it has recovered.
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

// answer waits for what is said of a command.
func (s *Server) answer() error {
	said, err := s.said.ReadString('\n')
	if err == nil && said != "ready\n" {
		err = errors.New(strings.TrimSpace(said))
	}
	return err
}

// Close stops the server as a crash would, and removes its files.
func (s *Server) Close() error {
	err := s.alive.Close()
	if ended := s.cmd.Wait(); err == nil {
		err = ended
	}
	return err
}
