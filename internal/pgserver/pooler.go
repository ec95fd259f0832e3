package pgserver

import (
	"fmt"
	"io"
	"net/url"
	"os/exec"
)

// A Pooler is a PgBouncer in front of a server. [Pooler.Close], or the end of this process, stops
// it and removes its files.
type Pooler struct {
	address string // host:port

	alive io.WriteCloser // the pooler stops when it is closed
	cmd   *exec.Cmd
}

// StartPooler starts a PgBouncer in transaction mode in front of a server. The settings override
// those in the section [pgbouncer] of its configuration.
func StartPooler(s *Server, settings map[string]string) (*Pooler, error) {
	return startPooler(s, settings)
}

// URL returns the address of a database through the pooler. direct is its address on the server.
func (p *Pooler) URL(direct string) (string, error) {
	u, err := url.Parse(direct)
	if err != nil {
		return "", fmt.Errorf("pgserver: %w", err)
	}
	u.Host = p.address
	return u.String(), nil
}

// Close stops the pooler and cuts every connection through it.
func (p *Pooler) Close() error {
	err := p.alive.Close()
	if ended := p.cmd.Wait(); err == nil {
		err = ended
	}
	return err
}
