// Package pgserver runs a private PostgreSQL, from the initdb and pg_ctl on the PATH or in /usr/lib/postgresql. It is for tests, and for programs
// that show or measure something.
package pgserver

import (
	"io"
	"os/exec"
)

// A Server listens on the loopback address, with a password that nobody else knows. It ends, and its files go, with [Server.Close] or with this process,
// however that ends.
type Server struct {
	// URL is the address of a database on it, with a user who may do everything.
	URL string

	alive io.Closer // it lives for as long as this is open
	cmd   *exec.Cmd
}

// Start starts a server, which takes a second or two. With fsync it syncs to disk as in production; without, its data does not
// survive a loss of power.
func Start(fsync bool) (*Server, error) { return start(fsync) }

// Close stops the server as a crash would, and removes its files.
func (s *Server) Close() error {
	err := s.alive.Close()
	if ended := s.cmd.Wait(); err == nil {
		err = ended
	}
	return err
}
