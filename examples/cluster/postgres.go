package main

import "github.com/buddychat/buddychat/internal/pgserver"

// openPostgres returns the address of the database: what was given, or else that of a private server. It syncs to disk, so that what is measured is
// true.
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
