//go:build !unix

package pgserver

import "errors"

func start(bool) (*Server, error) {
	return nil, errors.New("a private PostgreSQL is started on Unix only")
}
