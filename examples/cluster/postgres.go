package main

import "github.com/buddychat/buddychat/internal/pgserver"

// openPostgres returns the address of the database: the given one, or that of a new private server.
// The private server syncs to disk, so that the latencies are realistic.
func openPostgres(given string) (address string, shut func() error, err error) {
	if given != "" {
		return given, func() error { return nil }, nil
	}
	s, err := pgserver.Start(true)
	if err != nil {
		return "", nil, err
	}
	return s.URL, s.Close, nil
}
