package pgserver

import (
	"fmt"
	"io"
	"net/url"
	"os/exec"
)

// Pooler is a PgBouncer in front of a server. It ends, and its files go, with [Pooler.Close] or with this process.
type Pooler struct {
	address string // host:port

	alive io.WriteCloser // it lives for as long as this is open
	cmd   *exec.Cmd
}

// StartPooler starts a PgBouncer in transaction mode in front of a server. Settings replace those of its section [pgbouncer].
func StartPooler(s *Server, settings map[string]string) (*Pooler, error) {
	return startPooler(s, settings)
}

// URL returns the address of a database of the server behind the pooler, given its address on the server.
func (p *Pooler) URL(direct string) (string, error) {
	u, err := url.Parse(direct)
	if err != nil {
		return "", fmt.Errorf("pgserver: %w", err)
	}
	u.Host = p.address
	return u.String(), nil
}

// Close ends the pooler, and cuts every connection through it.
func (p *Pooler) Close() error {
	err := p.alive.Close()
	if ended := p.cmd.Wait(); err == nil {
		err = ended
	}
	return err
}
