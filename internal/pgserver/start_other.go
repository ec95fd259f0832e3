//go:build !unix

package pgserver

import "errors"

func start(bool) (*Server, error) {
	return nil, errors.New("a private PostgreSQL is started on Unix only")
}

// Program returns the path of a program of the PostgreSQL that [Start] starts.
func Program(string) (string, error) {
	return "", errors.New("a private PostgreSQL is started on Unix only")
}

func startPooler(*Server, map[string]string) (*Pooler, error) {
	return nil, errors.New("a private PgBouncer is started on Unix only")
}
